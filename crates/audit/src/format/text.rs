// SPDX-License-Identifier: Apache-2.0

//! Text for terminals of 100 columns: a table for each namespace, with the reason below each line.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use policy_host::shown;

use super::{day, last_used, may};
use crate::build::number;
use crate::report::{LogInfo, Namespace, Recommendation, Report, Row};
use crate::window::days;

/// The total width in columns.
const WIDTH: usize = 100;

/// The titles of the columns, and their widths.
const COLUMNS: [(&str, usize); 5] =
    [("RECOMMENDATION", 20), ("WORKLOAD", 26), ("ACCOUNT", 14), ("PERMISSIONS", 24), ("LAST USED", 10)];

const GAP: usize = 1;
const INDENT: usize = 2;

const HEAD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut quiet = Vec::new();
    for namespace in &report.namespaces {
        let rows = namespace.rows();
        let rows: Vec<_> = rows.iter().filter(|row| row.recommendation() != Recommendation::NoToken).collect();
        if rows.is_empty() {
            quiet.push(namespace);
            continue;
        }
        writeln!(text, "{HEAD}{}{HEAD:#}", shown::text(&namespace.name))?;
        let header: Vec<String> = COLUMNS.iter().map(|(title, _)| (*title).to_owned()).collect();
        writeln!(text, "{QUIET}{}{QUIET:#}", line(&header))?;
        for row in rows {
            write_row(text, row)?;
        }
        writeln!(text)?;
    }
    write_quiet(text, &quiet)?;
    write_summary(text, report)
}

fn write_row(text: &mut String, row: &Row<'_>) -> std::fmt::Result {
    let workload = row.workload.map_or_else(|| "-".to_owned(), |it| format!("{} {}", it.kind, it.name));
    let cells = [
        row.recommendation().word().to_owned(),
        workload,
        row.account.name.clone(),
        may(&row.account.permissions, row.account.bindings_known).to_owned(),
        last_used(row).map_or("-", day).to_owned(),
    ];
    let line = line(&cells);
    // Only the first cell is colored.
    let width = COLUMNS.first().map_or(0, |(_, width)| *width);
    let style = style(row.recommendation());
    let (word, rest) = line.split_at_checked(width).unwrap_or((&line, ""));
    writeln!(text, "{style}{word}{style:#}{rest}")?;
    for part in wrapped(&shown::text(row.reason()), WIDTH - INDENT) {
        writeln!(text, "{QUIET}{:INDENT$}{part}{QUIET:#}", "")?;
    }
    Ok(())
}

fn style(recommendation: Recommendation) -> Style {
    match recommendation {
        Recommendation::KeepUsed => AnsiColor::Green.on_default(),
        Recommendation::RemoveUnused | Recommendation::Remove => AnsiColor::Cyan.on_default(),
        Recommendation::MoveOffDefault | Recommendation::ReplaceLegacyToken | Recommendation::Narrow => {
            AnsiColor::Red.on_default()
        }
        Recommendation::Unknown | Recommendation::NoToken => AnsiColor::Yellow.on_default(),
    }
}

/// The cells, each padded to its column. Long cells are cut in the middle, because names often differ only at the end.
fn line(cells: &[String]) -> String {
    let mut line = String::new();
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        let cell = cut(&shown::text(cell), width);
        let blanks = width + GAP - cell.chars().count();
        line += &cell;
        line.extend(std::iter::repeat_n(' ', blanks));
    }
    line.trim_end().to_owned()
}

fn cut(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let tail = width / 2;
    let head: String = text.chars().take(width - tail - 1).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    format!("{head}…{tail}")
}

/// Lines of at most this many characters, broken between words, or within words that are longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(String::new());
            length = 0;
        }
        if length > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            length += 1;
        }
        loop {
            let tail = rest.split_off(rest.len().min(width - length));
            length += rest.len();
            lines.last_mut().into_iter().for_each(|line| line.extend(&rest));
            if tail.is_empty() {
                break;
            }
            rest = tail;
            lines.push(String::new());
            length = 0;
        }
    }
    lines
}

fn write_quiet(text: &mut String, quiet: &[&Namespace]) -> std::fmt::Result {
    const NAMED: usize = 5;
    if quiet.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = quiet.iter().take(NAMED).map(|it| shown::text(&it.name)).collect();
    let more = if quiet.len() > NAMED { format!(" and {} more", quiet.len() - NAMED) } else { String::new() };
    let line = format!("no token in {}{more}", names.join(", "));
    for line in wrapped(&line, WIDTH) {
        writeln!(text, "{line}")?;
    }
    writeln!(text)
}

fn write_summary(text: &mut String, report: &Report) -> std::fmt::Result {
    let paragraph = |text: &mut String, line: &str| {
        wrapped(&shown::text(line), WIDTH).iter().try_for_each(|line| writeln!(text, "{line}"))
    };
    let summary = &report.summary;
    let counts: Vec<String> = Recommendation::ALL
        .iter()
        .filter_map(|it| {
            let count = *summary.recommendations.get(it.word())?;
            (count > 0).then(|| format!("{count} {}", it.word()))
        })
        .collect();
    let counts = if counts.is_empty() { "nothing to report".to_owned() } else { counts.join(" · ") };
    for line in wrapped(&counts, WIDTH) {
        writeln!(text, "{HEAD}{line}{HEAD:#}")?;
    }
    paragraph(
        text,
        &format!(
            "Pods with a token: {} of {}; accounts with such Pods: {} of {}; bound accounts: {}; accounts with a cloud \
             identity: {}; tokens that never expire: {}{}",
            summary.pods_with_token,
            report.cluster.pods,
            summary.accounts_with_token,
            report.cluster.accounts,
            summary.accounts_bound,
            summary.accounts_with_identity,
            summary.legacy_tokens,
            if report.cluster.token_secrets {
                ""
            } else {
                ", as far as accounts and the log name them (--secrets lists Secrets)"
            }
        ),
    )?;
    match &report.log {
        None => paragraph(text, "no audit log, so it is not known which tokens were used (--audit-log)")?,
        Some(log) => write_log(text, log, &paragraph)?,
    }
    for it in &report.cluster.not_read {
        let whose = if it.only_elsewhere { " of other namespaces" } else { "" };
        paragraph(text, &format!("not read: {}{whose}: {}", it.resource, it.why))?;
    }
    for it in &report.cluster.unreadable_objects {
        paragraph(text, &format!("skipped, because a field has the wrong type: {it}"))?;
    }
    paragraph(text, "if other services verify a token (Vault, OIDC), its use leaves no trace in an audit log")
}

fn write_log(
    text: &mut String,
    log: &LogInfo,
    paragraph: &dyn Fn(&mut String, &str) -> std::fmt::Result,
) -> std::fmt::Result {
    let whose = if log.complete { "the log" } else { "this log (each API server writes its own; see --complete)" };
    let span = match (&log.first, &log.last) {
        (Some(first), Some(last)) => format!("{} to {}, {} covered", day(first), day(last), days(log.covered_seconds)),
        _ => "no events".to_owned(),
    };
    let pods = match log.with_pod {
        0 => "Pods are not named",
        _ => "with names of Pods",
    };
    paragraph(
        text,
        &format!(
            "{whose}: {span}; {} calls by accounts, {pods}; {}",
            number(log.account_calls),
            if log.formats.is_empty() { "no known format".to_owned() } else { log.formats.join(", ") }
        ),
    )?;
    if let Some(why) = &log.inconclusive {
        paragraph(text, &format!("no token is reported as unused: {why}"))?;
    }
    for (count, what) in [
        (log.broken, "records cannot be read"),
        (log.oversized, "records of more than 4 MB are skipped"),
        (log.others, "calls by ServiceAccounts that are not in the cluster, too many to count separately"),
    ] {
        if count > 0 {
            paragraph(text, &format!("{} {what}", number(count)))?;
        }
    }
    for file in log.files.iter().filter(|file| file.error.is_some() || !file.has_events) {
        let why = file.error.as_deref().unwrap_or("no audit events");
        paragraph(text, &format!("{}: {why}", file.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit() {
        let text = "a bb ccc dddddddddddddddddddd e";
        assert_eq!(wrapped(text, 8), ["a bb ccc", "dddddddd", "dddddddd", "dddd e"]);
        assert_eq!(wrapped("", 8), [""]);
        assert!(wrapped(&"x y ".repeat(90), 20).iter().all(|line| line.chars().count() <= 20));
    }

    #[test]
    fn shortens_long_cells() {
        assert_eq!(cut("Deployment a-very-long-name-1", 20), "Deploymen…ong-name-1");
        assert_eq!(cut("short", 20), "short");
        let cells = ["x".repeat(60), "y".repeat(60), "z".repeat(60), "u".repeat(60), "v".repeat(60)];
        assert_eq!(line(&cells).chars().count(), 98);
    }
}
