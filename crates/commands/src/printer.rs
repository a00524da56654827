// SPDX-License-Identifier: Apache-2.0

//! The only module that prints. Names of files and objects are untrusted: they must not start a line of their own, move the
//! cursor, or contain a command for a build log.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use policy_host::shown;
use terminal_size::{Height, Width, terminal_size_of};

const BAD: Style = AnsiColor::Red.on_default();
const GOOD: Style = AnsiColor::Green.on_default();

/// Text for people, with colours; `anstream` removes them if the output is not a terminal or `NO_COLOR` is set.
pub(super) fn text(text: &str) -> Result<()> {
    write(&safe(text))
}

/// Where text is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// The standard output.
    Output,
    /// The standard error.
    Error,
}

/// Text for people with long lines: they are wrapped on a terminal, and unchanged elsewhere.
pub(super) fn lines(text: &str, stream: Stream) -> Result<()> {
    let safe = safe(text);
    match stream {
        Stream::Output => write(&wrapped(&safe, width(terminal_size_of(std::io::stdout())))),
        Stream::Error => {
            let wrapped = wrapped(&safe, width(terminal_size_of(std::io::stderr())));
            // There is no other stream to report that this failed.
            let _ = anstream::stderr().lock().write_all(wrapped.as_bytes());
            Ok(())
        }
    }
}

/// Prints a page for people, through `$PAGER` if it is longer than the terminal.
pub(super) fn page(text: &str) -> Result<()> {
    let out = std::io::stdout();
    let (width, height) = terminal_size_of(&out).map_or((None, 0), |(width, height)| (Some(width.0), height.0));
    let text = wrapped(&safe(text), width);
    let is_long = width.is_some() && text.lines().count() >= usize::from(height);
    if is_long && paged(&text) { Ok(()) } else { write(&text) }
}

/// Shows a text in a pager. Returns whether this succeeded.
fn paged(text: &str) -> bool {
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    if pager.trim().is_empty() || pager.trim() == "cat" {
        return false;
    }
    let mut command = Command::new("sh");
    command.args(["-c", &pager]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // As in git: exit if the text fits on one screen, pass colours through, and do not clear the screen.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    let is_plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
    let text = if is_plain { anstream::adapter::strip_str(text).to_string() } else { text.to_owned() };
    if let Some(mut input) = child.stdin.take() {
        // The pager closes its input if the user quits early.
        let _ = input.write_all(text.as_bytes());
    }
    // 127: the shell did not find the pager.
    child.wait().is_ok_and(|status| status.code() != Some(127))
}

/// The width of a terminal; `None` if it is not a terminal.
fn width(size: Option<(Width, Height)>) -> Option<u16> {
    size.map(|(width, _)| width.0)
}

/// Wraps lines that are longer than the terminal between words, and indents the rest.
fn wrapped(text: &str, width: Option<u16>) -> String {
    let Some(width) = width.map(usize::from).filter(|width| *width >= NARROWEST) else { return text.to_owned() };
    let mut wrapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        if textwrap::core::display_width(content) <= width {
            wrapped.push_str(line);
            continue;
        }
        let indent = content.len() - content.trim_start_matches(' ').len();
        // The rest of a list entry is aligned with its text; the rest of another indented line is indented further.
        let hanging = if content.trim_start().starts_with("- ") {
            2
        } else if indent > 0 {
            4
        } else {
            0
        };
        let indent = " ".repeat((indent + hanging).min(width / 3));
        let options = textwrap::Options::new(width)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
        wrapped.push_str(&textwrap::fill(content, options));
        wrapped.push_str(end);
    }
    wrapped
}

/// Below this width, lines are not wrapped.
const NARROWEST: usize = 20;

/// Prints a document for programs unchanged; its format has its own escapes.
pub(super) fn document(text: &str) -> Result<()> {
    write(text)
}

/// Prints the changes of files: unchanged for `patch` if they are piped, and like other text on a terminal or in a build log.
pub(super) fn changes(text: &str) -> Result<()> {
    let is_log = ["GITHUB_ACTIONS", "TF_BUILD"].iter().any(|name| std::env::var_os(name).is_some());
    if is_log || std::io::stdout().is_terminal() { self::text(text) } else { write(text) }
}

/// An error, on the standard error.
pub(super) fn error(text: &str) {
    line(BAD, "error:", text);
}

/// Several errors, each on a line of its own.
pub(super) fn errors(texts: &[String]) {
    for text in texts {
        error(text);
    }
}

/// A success message, on the standard error.
pub(super) fn good(word: &str, text: &str) {
    line(GOOD, word, text);
}

/// A failure message, on the standard error.
pub(super) fn bad(word: &str, text: &str) {
    line(BAD, word, text);
}

/// A note, on the standard error.
pub(super) fn note(text: &str) {
    line(Style::new(), "", text);
}

fn line(style: Style, word: &str, text: &str) {
    let gap = if word.is_empty() { "" } else { " " };
    let text = safe(&format!("{style}{word}{style:#}{gap}{text}\n"));
    // There is no other stream to report that this failed.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// A reader that closes the pipe early (`| head`) is not an error.
fn write(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to the standard output"),
    }
}

/// Escapes everything that a terminal or a build log would interpret, except colours.
fn safe(text: &str) -> String {
    text.split_inclusive('\n').map(safe_line).collect()
}

fn safe_line(line: &str) -> String {
    let is_harmless = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t') && byte != b'#';
    if line.bytes().all(is_harmless) && !line.trim_start().starts_with("::") {
        return line.to_owned();
    }
    let mut safe = String::with_capacity(line.len());
    let mut rest = line;
    // Whether there were only spaces and colours so far: build logs recognise commands at the start of a line.
    let mut is_start = true;
    while let Some(character) = rest.chars().next() {
        // What is plain is copied in one piece; only at the start of a line, a colon matters.
        let plain = if is_start { 0 } else { rest.bytes().take_while(|byte| is_harmless(*byte)).count() };
        if plain > 0 {
            safe.push_str(rest.get(..plain).unwrap_or_default());
            rest = rest.get(plain..).unwrap_or_default();
            continue;
        }
        if let Some(length) = color_length(rest) {
            safe.push_str(rest.get(..length).unwrap_or_default());
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let is_command = is_start && rest.starts_with("::") || rest.starts_with("##[") || rest.starts_with("##vso[");
        match character {
            '\n' | '\t' => safe.push(character),
            // Escaped as in Rust.
            ':' | '#' if is_command => safe.extend(character.escape_unicode()),
            ' '..='~' => safe.push(character),
            _ => safe.push_str(&shown::text(character.encode_utf8(&mut [0; 4]))),
        }
        is_start &= character.is_whitespace();
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    safe
}

/// The length of the sequence that sets colours, if the text begins with one (`ESC [ 1 ; 31 m`).
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !(character.is_ascii_digit() || character == ';'))?;
    parameters.get(end..)?.starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a\u{1b}[1;31mb\u{1b}[0m\n", "a\u{1b}[1;31mb\u{1b}[0m\n")]
    #[case("a\u{1b}[2Jb\u{1b}]0;x\u{7}", "a\\u{1b}[2Jb\\u{1b}]0;x\\u{7}")]
    #[case("a\rb\u{8}", "a\\u{d}b\\u{8}")]
    #[case("::error::x\n", "\\u{3a}:error::x\n")]
    #[case("  \u{1b}[1m::set-output name=a::b", "  \u{1b}[1m\\u{3a}:set-output name=a::b")]
    #[case("a ::error::x", "a ::error::x")]
    #[case("a ##[group]x ##vso[task.x]y", "a \\u{23}#[group]x \\u{23}#vso[task.x]y")]
    #[case("\u{202e}abc\u{200b}", "\\u{202e}abc\\u{200b}")]
    #[case("é ✔ —\t", "é ✔ —\t")]
    fn nothing_but_colours_goes_through(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(safe(text), expected);
    }

    #[test]
    fn wraps_lines() {
        let line = "  \u{1b}[2ma.yaml:1:2:\u{1b}[0m would fix pod-automount: some.long.path: a text of some words\n";
        assert_eq!(wrapped(line, None), line);
        assert_eq!(wrapped(line, Some(200)), line);
        assert_eq!(
            wrapped(line, Some(40)),
            "  \u{1b}[2ma.yaml:1:2:\u{1b}[0m would fix pod-automount:\n      some.long.path: a text of some\n      words\n"
        );
        assert_eq!(wrapped("x\ny", Some(40)), "x\ny");
    }

    /// Other modules would print unescaped text.
    #[test]
    fn only_this_module_prints() {
        fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { files(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        for file in found.iter().filter(|file| !file.ends_with("printer.rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            for way in ["print!(", "println!(", "stdout()", "stderr().lock"] {
                assert!(!text.contains(way), "{}: {way}", file.display());
            }
        }
    }
}
