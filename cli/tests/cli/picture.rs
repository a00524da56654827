// SPDX-License-Identifier: Apache-2.0

//! The picture at the beginning of the README: the output of `make demo` in a terminal. `BLESS=1` updates it.

use anstyle_svg::{Term, WIN10_CONSOLE};

use super::audit::{is_as_in, repository};
use super::{command, stderr, stdout};

/// Wide enough for whole sentences, and narrow enough to be legible in a browser.
const COLUMNS: &str = "128";

#[test]
fn draws_demo() {
    let arguments = ["run", "--summary", "examples/demo/workloads", "--cluster", "examples/demo/cluster"];
    let mut command = command(&repository(), &arguments);
    let output = command.env("CLICOLOR_FORCE", "1").env("COLUMNS", COLUMNS).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("rejected") && text.contains('\u{1b}'), "{text}");
    let prompt = format!("$ sa-hygiene {}\n\n", arguments.join(" "));
    let picture = Term::new().palette(WIN10_CONSOLE).render_svg(&(prompt + &text));
    is_as_in("docs/pictures/demo.svg", &(picture + "\n"));
}
