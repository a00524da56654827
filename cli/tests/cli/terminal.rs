// SPDX-License-Identifier: Apache-2.0

//! The command as a user sees it: in a terminal with a known size and colors.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use super::{Files, stdout};

const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  containers:\n    - name: c\n      image: nginx\n";

/// A command in a terminal with a number of columns.
struct Session {
    terminal: Pty,
    child: Child,
    output: Vec<u8>,
}

impl Session {
    fn start(files: &Files, columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (terminal, other_end) = open().unwrap();
        terminal.resize(Size::new(24, columns)).unwrap();
        // Tests may run where Ctrl-C is ignored, which child processes inherit.
        let mut command = if cfg!(target_os = "linux") {
            Command::new("env").args(["--default-signal=INT", env!("CARGO_BIN_EXE_sa-hygiene")])
        } else {
            Command::new(env!("CARGO_BIN_EXE_sa-hygiene"))
        };
        command = command.args(arguments).current_dir(files.0.path());
        let ours =
            ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "TF_BUILD", "COLUMNS", "LINES", "PAGER", "CI"];
        for name in ours {
            command = command.env_remove(name);
        }
        command = command.env("TERM", "xterm-256color");
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let child = command.spawn(other_end).unwrap();
        Self { terminal, child, output: Vec::new() }
    }

    /// Reads some of the output; returns whether there was any.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // On Linux, reading fails once the other end is closed.
        let count = self.terminal.read(&mut buffer).unwrap_or_default();
        self.output.extend(buffer.iter().take(count));
        count > 0
    }

    fn press_control_c(&mut self) {
        self.terminal.write_all(b"\x03").unwrap();
    }

    /// The output, and the exit status.
    fn end(mut self) -> (String, ExitStatus) {
        while self.read() {}
        (String::from_utf8(self.output).unwrap().replace("\r\n", "\n"), self.child.wait().unwrap())
    }
}

fn session(files: &Files, columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> (String, ExitStatus) {
    Session::start(files, columns, arguments, environment).end()
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn widest(text: &str) -> usize {
    plain(text).lines().map(|line| line.chars().count()).max().unwrap_or_default()
}

#[test]
fn eighty_and_two_hundred_columns() {
    let files = Files::new(&[("web.yaml", WEB)]);
    let pipe = stdout(&files.run(&["check", "web.yaml"]));
    let (narrow, status) = session(&files, 80, &["check", "web.yaml"], &[]);
    assert_eq!(status.code(), Some(0), "{narrow}");
    assert_eq!(
        plain(&narrow),
        "web.yaml\n  Pod shop/web\n    web.yaml:6:1: would fix pod-automount: spec.automountServiceAccountToken:\n        set to false, the token volume removed, no binding in the input\n\n1 object in 1 file: 1 would be fixed\n"
    );
    let (wide, _) = session(&files, 200, &["check", "web.yaml"], &[]);
    assert_eq!(plain(&wide), pipe, "in a pipe, and on a wide terminal, lines stay whole");
    assert!(narrow.contains("\u{1b}[1m\u{1b}[36mwould fix\u{1b}[0m"), "{narrow:?}");
    assert!(!pipe.contains('\u{1b}'), "{pipe:?}");
    for arguments in [
        &["check", "web.yaml", "--summary"][..],
        &["check", "web.yaml", "--statistics"],
        &["rules"],
        &["check", "--help"],
    ] {
        let (text, _) = session(&files, 80, arguments, &[]);
        assert!(widest(&text) <= 80, "{arguments:?}: {}\n{text}", widest(&text));
    }
}

#[test]
fn colours_are_chosen() {
    let files = Files::new(&[("web.yaml", WEB)]);
    let has_colours = |arguments: &[&str], environment: &[(&str, &str)]| {
        session(&files, 80, &[&["check", "web.yaml"], arguments].concat(), environment).0.contains('\u{1b}')
    };
    assert!(has_colours(&[], &[]));
    assert!(!has_colours(&[], &[("NO_COLOR", "1")]));
    assert!(has_colours(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!has_colours(&["--color", "never"], &[]));
    assert!(!has_colours(&["--color=never", "--help"], &[]), "help, too");
    assert!(stdout(&files.run(&["check", "web.yaml", "--color", "always"])).contains('\u{1b}'), "in a pipe");
    assert!(!stdout(&files.run(&["check", "web.yaml", "--color", "auto"])).contains('\u{1b}'));
}

#[test]
fn long_pages_are_paged() {
    let files = Files::new(&[]);
    let pager = "sed 's/^/|/'";
    let (paged, status) = session(&files, 80, &["explain", "pod-automount"], &[("PAGER", pager)]);
    assert_eq!(status.code(), Some(0));
    assert!(plain(&paged).starts_with("|pod-automount\n|\n|"), "{paged}");
    assert!(widest(&paged) <= 81 || plain(&paged).lines().any(|line| line.starts_with("|    ")), "{paged}");
    for pager in ["", "cat", "no-such-program-as-this"] {
        let (text, status) = session(&files, 80, &["explain", "pod-automount"], &[("PAGER", pager)]);
        assert_eq!(status.code(), Some(0));
        assert!(plain(&text).contains("pod-automount\n\n"), "{pager}: {text}");
        assert!(!plain(&text).contains('|') || !plain(&text).starts_with('|'), "{pager}: {text}");
    }
    let piped = stdout(&files.run(&["explain", "pod-automount"]));
    assert!(piped.starts_with("pod-automount\n"), "not in a pipe");
}

/// Ctrl-C ends a check immediately; a fix completes the current file, so that every file is either unchanged or fixed.
#[test]
fn control_c() {
    let many: Vec<(String, String)> =
        (0..400).map(|number| (format!("{number:03}.yaml"), format!("{WEB}---\n").repeat(40))).collect();
    let entries: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    for (arguments, is_fix) in [(&["check", "."][..], false), (&["check", ".", "--fix"], true)] {
        let files = Files::new(&entries);
        let mut session = Session::start(&files, 80, arguments, &[]);
        // Once there is output, the command is in the middle of its work.
        assert!(session.read());
        session.press_control_c();
        let (text, status) = session.end();
        if is_fix {
            assert_eq!(status.code(), Some(130), "{text}");
            // The terminal may show `^C` before it.
            assert!(plain(&text).contains("interrupted: "), "{text}");
        } else {
            assert_eq!(status.signal(), Some(2), "{text}");
        }
        let fixed =
            format!("{}---\n", WEB.replace("spec:\n", "spec:\n  automountServiceAccountToken: false\n")).repeat(40);
        let mut counts = [0, 0];
        for entry in std::fs::read_dir(files.0.path()).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text == fixed || text == many[0].1, "{}: half-written", path.display());
            counts[usize::from(text == fixed)] += 1;
        }
        assert_eq!(counts.iter().sum::<usize>(), many.len(), "no other files");
        assert!(counts[0] > 0, "it was interrupted");
        assert_eq!(counts[1] > 0, is_fix);
    }
}
