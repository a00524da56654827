// SPDX-License-Identifier: Apache-2.0

//! `policy-tools manifests` reports rejections that nobody expects, and checks what fixes change.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A Pod that is fixed, with a comment that must survive.
const FIXED: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  # one container\n  containers: [{name: c, image: nginx}]\n";

/// Its role is not an ARN.
const REJECTED: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: uploads\n  annotations: {eks.amazonaws.com/role-arn: uploads}\n";

fn manifests(folder: &Path, rejected: &str, expected: &str) -> Output {
    fs::create_dir_all(folder.join("projects/shop")).unwrap();
    fs::write(folder.join("projects/shop/pod.yaml"), FIXED).unwrap();
    fs::write(folder.join("projects/shop/account.yaml"), rejected).unwrap();
    fs::write(folder.join("strict.yaml"), "profile: restricted\n").unwrap();
    fs::write(folder.join("expected.yaml"), expected).unwrap();
    Command::new(env!("CARGO_BIN_EXE_policy-tools"))
        .args(["manifests", "projects", "--strict", "strict.yaml", "--expected", "expected.yaml"])
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn unexpected_rejection() {
    let folder = tempfile::tempdir().unwrap();
    let output = manifests(folder.path(), REJECTED, "rejections: []\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).ends_with("\n1 project, 1 problem\n"), "{}", text(&output.stdout));
    let error = text(&output.stderr);
    let start = "problem: shop/account.yaml: ServiceAccount default/uploads: a rejection that is not in the list: ";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn escapes_names() {
    let folder = tempfile::tempdir().unwrap();
    let output = manifests(folder.path(), &REJECTED.replace("name: uploads", r#"name: "up\e[2J""#), "rejections: []\n");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(r"up\u{1b}[2J"), "{error}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn expected_rejection() {
    let folder = tempfile::tempdir().unwrap();
    let expected =
        "rejections:\n  - {file: shop/account.yaml, object: ServiceAccount default/uploads, rule: role-arn}\n";
    let output = manifests(folder.path(), REJECTED, expected);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let out = text(&output.stdout);
    let row = out.lines().find(|line| line.starts_with("| shop")).unwrap();
    // Without the seconds: objects, accepted, would fix, would warn, would reject ... files fixed.
    let cells: Vec<_> = row.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells.get(..13).unwrap().join(" "), "shop 2 0 1 0 1 0 0 0 0 0 2 1", "{out}");
    assert_eq!(
        fs::read_to_string(folder.path().join("projects/shop/pod.yaml")).unwrap(),
        FIXED,
        "only a copy is fixed"
    );
}
