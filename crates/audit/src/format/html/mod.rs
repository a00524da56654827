// SPDX-License-Identifier: Apache-2.0

//! A self-contained page: it contains style and script, and a Content-Security-Policy prevents it from loading anything.
//!
//! The markup contains all information, the most urgent first; the script only sorts, filters and opens.

mod account;
mod markup;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{day, last_used, may};
use crate::build::number;
use crate::report::{Namespace, Recommendation, Report, Row, Token};
use crate::window::days;
use markup::{Html, class};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The width of the longest bar, in the units of the picture.
const BAR: usize = 1_000;

/// The whole page.
pub fn render(report: &Report) -> String {
    let mut html = Html::default();
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src ");
    html.raw(&format!("{}; script-src {}; base-uri 'none'; form-action 'none'\">\n", hash(STYLE), hash(SCRIPT)));
    html.raw("<title>API tokens in use</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    html.raw("<a class=\"skip\" href=\"#rows\">Skip to the table</a>\n<header>\n<h1>API tokens in use</h1>\n");
    log(&mut html, report);
    html.raw("</header>\n<main>\n");
    totals(&mut html, report);
    bars(&mut html, report);
    table(&mut html, report);
    html.raw("<section aria-labelledby=\"h-accounts\">\n<h2 id=\"h-accounts\">Accounts</h2>\n");
    for namespace in &report.namespaces {
        for it in &namespace.accounts {
            account::section(&mut html, &namespace.name, it);
        }
    }
    html.raw("</section>\n</main>\n<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    html.into_string()
}

fn log(html: &mut Html, report: &Report) {
    html.raw("<p class=\"quiet\">");
    match &report.log {
        None => html.text("Without an audit log, it is not known which tokens were used."),
        Some(log) => {
            let span = [&log.first, &log.last].map(|it| it.as_deref().map_or("?", day).to_owned()).join(" to ");
            html.text(&format!(
                "{} {span}, {} covered; {} calls by accounts.{}",
                if log.complete { "Audit log" } else { "This audit log (others may exist: --complete)" },
                days(log.covered_seconds),
                number(log.account_calls),
                log.inconclusive
                    .as_ref()
                    .map(|why| format!(" No token is reported as unused: {why}."))
                    .unwrap_or_default()
            ))
        }
    };
    html.raw(" If other services verify a token (Vault, OIDC), its use leaves no trace in an audit log.</p>\n");
}

fn totals(html: &mut Html, report: &Report) {
    let summary = &report.summary;
    html.raw("<section aria-labelledby=\"h-totals\">\n<h2 id=\"h-totals\">Totals</h2>\n<ul class=\"totals\">\n");
    for it in Recommendation::ALL {
        let count = summary.recommendations.get(it.word()).copied().unwrap_or_default();
        html.raw(&format!("<li class=\"{}\"><b>{count}</b> {}</li>\n", class(it), it.word()));
    }
    html.raw("</ul>\n<ul class=\"notes\">\n");
    let facts = [
        format!("Pods with a token: {} of {}", summary.pods_with_token, report.cluster.pods),
        format!("Accounts with such Pods: {} of {}", summary.accounts_with_token, report.cluster.accounts),
        format!("Accounts bound to a role: {}", summary.accounts_bound),
        format!("Accounts with a cloud identity: {}", summary.accounts_with_identity),
        format!(
            "Tokens that never expire: {}{}",
            summary.legacy_tokens,
            if report.cluster.token_secrets { "" } else { ", as far as accounts and the log name them" }
        ),
    ];
    for fact in facts {
        html.raw("<li>").text(&fact).raw("</li>\n");
    }
    for it in &report.cluster.not_read {
        let whose = if it.only_elsewhere { " of other namespaces" } else { "" };
        html.raw("<li>").text(&format!("Not read: {}{whose}: {}", it.resource, it.why)).raw("</li>\n");
    }
    for it in &report.cluster.unreadable_objects {
        html.raw("<li>").text(&format!("Skipped: {it}")).raw("</li>\n");
    }
    html.raw("</ul>\n</section>\n");
}

/// A bar for each namespace, whose length is the number of its rows.
fn bars(html: &mut Html, report: &Report) {
    html.raw(
        "<section aria-labelledby=\"h-namespaces\">\n<h2 id=\"h-namespaces\">Namespaces</h2>\n<ul class=\"bars\">\n",
    );
    let counted: Vec<(&Namespace, Vec<Recommendation>)> = report
        .namespaces
        .iter()
        .map(|it| (it, it.rows().iter().map(Row::recommendation).collect::<Vec<_>>()))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let longest = counted.iter().map(|(_, rows)| rows.len()).max().unwrap_or(1);
    for (namespace, rows) in counted {
        let counts = Recommendation::ALL.map(|it| (it, rows.iter().filter(|row| **row == it).count()));
        let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let words: Vec<String> = counts.iter().map(|(it, count)| format!("{count} {}", it.word())).collect();
        html.raw("<li><span class=\"name\">").text(&namespace.name).raw("</span>");
        html.raw("<svg role=\"img\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\"><title>")
            .text(&words.join(", "));
        html.raw("</title>");
        let mut at = 0;
        for (it, count) in &counts {
            let width = count * BAR / longest;
            html.raw(&format!("<rect class=\"{}\" x=\"{at}\" y=\"0\" width=\"{width}\" height=\"10\"/>", class(*it)));
            at += width;
        }
        html.raw(&format!("</svg><span class=\"count\">{}</span></li>\n", rows.len()));
    }
    html.raw("</ul>\n</section>\n");
}

const COLUMNS: [&str; 9] =
    ["Recommendation", "Namespace", "Workload", "Account", "Token", "Permissions", "Calls", "Last used", "Why"];

fn table(html: &mut Html, report: &Report) {
    html.raw("<section aria-labelledby=\"h-rows\" id=\"rows\">\n<h2 id=\"h-rows\">Workloads and accounts</h2>\n");
    html.raw("<form id=\"filters\" class=\"js-only\" role=\"search\">\n");
    html.raw("<label>Search <input id=\"search\" type=\"search\" autocomplete=\"off\"></label>\n");
    let options = |html: &mut Html, id: &str, label: &str, values: &[&str]| {
        html.raw(&format!("<label>{label} <select id=\"{id}\"><option value=\"\">all</option>"));
        for value in values {
            html.raw("<option>").text(value).raw("</option>");
        }
        html.raw("</select></label>\n");
    };
    options(html, "recommendation", "Recommendation", &Recommendation::ALL.map(Recommendation::word));
    let namespaces: Vec<&str> = report.namespaces.iter().map(|it| it.name.as_str()).collect();
    options(html, "namespace", "Namespace", &namespaces);
    html.raw(
        "<button type=\"reset\">Show all</button>\n<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n",
    );
    html.raw(
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-rows\" tabindex=\"0\">\n<table id=\"table\">\n",
    );
    html.raw("<caption>Most urgent first. Click a heading to sort by its column.</caption>\n<thead><tr>");
    for column in COLUMNS {
        html.raw(&format!("<th scope=\"col\" aria-sort=\"none\"><button type=\"button\">{column}</button></th>"));
    }
    html.raw("</tr></thead>\n<tbody>\n");
    let mut position = 0;
    for namespace in &report.namespaces {
        for row in namespace.rows() {
            table_row(html, &row, position);
            position += 1;
        }
    }
    html.raw("</tbody>\n</table>\n</div>\n</section>\n");
}

fn table_row(html: &mut Html, row: &Row<'_>, position: usize) {
    let it = row.recommendation();
    let account = row.account;
    html.raw(&format!("<tr data-recommendation=\"{}\" data-namespace=\"", it.word())).text(row.namespace);
    html.raw(&format!(
        "\"><td data-sort=\"{position}\"><span class=\"tag {}\">{}</span></td><td>",
        class(it),
        it.word()
    ));
    html.text(row.namespace).raw("</td><td>");
    html.text(&row.workload.map_or_else(|| "–".to_owned(), |it| format!("{} {}", it.kind, it.name)));
    html.raw("</td><td><a href=\"#")
        .text(&account::anchor(row.namespace, &account.name))
        .raw("\">")
        .text(&account.name);
    html.raw("</a></td><td>").text(&row.workload.map_or_else(|| "–".to_owned(), |it| in_short(&it.token)));
    html.raw("</td><td>").text(may(&account.permissions, account.bindings_known));
    let calls = row.calls().map_or(0, |it| it.calls);
    html.raw(&format!("</td><td class=\"number\" data-sort=\"{calls}\">{}</td><td class=\"date\">", number(calls)));
    html.text(last_used(row).map_or("–", day)).raw("</td><td class=\"why\">").text(row.reason()).raw("</td></tr>\n");
}

/// The tokens of a workload, without the reasons.
fn in_short(token: &Token) -> String {
    let automatic = match () {
        () if !token.is_automatic => None,
        () if token.is_prediction => Some("will be mounted".to_owned()),
        () => Some("mounted".to_owned()),
    };
    let volumes = token.volumes.iter().map(|it| format!("volume {it}"));
    let secrets = token.legacy_secrets.iter().map(|it| format!("Secret {it}"));
    let all: Vec<String> = automatic.into_iter().chain(volumes).chain(secrets).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests;
