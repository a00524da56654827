// SPDX-License-Identifier: Apache-2.0

//! The output formats of reports.

pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod summary;
pub mod text;

use std::fmt::Write as _;

use super::finding::Finding;
use super::report::{FailOn, FileReport, ObjectReport, Outcome, Summary};

/// The input of machine-readable formats.
#[derive(Debug, Clone, Copy)]
pub struct Findings<'r> {
    /// The reports, in the order of the input.
    pub files: &'r [FileReport],
    /// The summary of all files.
    pub summary: &'r Summary,
    /// What the command did besides checking.
    pub outcome: &'r Outcome,
    /// What counts as a failure.
    pub fail_on: FailOn,
}

impl<'r> Findings<'r> {
    fn objects(self) -> impl Iterator<Item = &'r ObjectReport> {
        self.files.iter().flat_map(|file| &file.objects)
    }

    fn findings(self) -> impl Iterator<Item = (&'r ObjectReport, &'r Finding)> {
        self.objects().flat_map(|object| object.findings.iter().map(move |finding| (object, finding)))
    }
}

/// The path of a file as a relative URI with slashes, which code hosts match with the files of a repository.
fn uri(name: &str) -> String {
    let name = if name == "-" { "stdin" } else { name };
    let name = name.replace('\\', "/");
    let name = name.strip_prefix("./").unwrap_or(&name);
    let mut uri = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => uri.push(char::from(byte)),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_relative_uris() {
        assert_eq!(super::uri("./a b/é.yaml"), "a%20b/%C3%A9.yaml");
        assert_eq!(super::uri("a\\b.yaml"), "a/b.yaml");
        assert_eq!(super::uri("-"), "stdin");
    }
}
