// SPDX-License-Identifier: Apache-2.0

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

fn line(account: &str, second: u32) -> String {
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": format!("{account}-{second}"),
        "stage": "ResponseComplete", "requestURI": "/api/v1/pods", "verb": "list",
        "user": {"username": account}, "objectRef": {"resource": "pods"}, "responseStatus": {"code": 200},
        "stageTimestamp": format!("2026-11-28T16:00:{second:02}.000000Z")
    });
    format!("{event}\n")
}

fn web(second: u32) -> String {
    line("system:serviceaccount:shop:web", second)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn log(files: &[(&str, Vec<u8>)]) -> Log {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    read([folder.path()], &BTreeSet::new(), Arc::new(|_, _| ())).unwrap()
}

fn calls(log: &Log) -> u64 {
    log.usage.accounts.get(&("shop".to_owned(), "web".to_owned())).map_or(0, |it| it.total.calls)
}

#[test]
fn reads_files_of_all_kinds() {
    let log = log(&[
        ("1.log", [web(1), line("alice", 2)].concat().into()),
        ("2.log.gz", gzip(&[web(3), web(4)].concat())),
        ("3.json", format!("[\n{},\n{}\n]", web(5), web(6)).into()),
        ("4.txt", b"Permission Check Successful".to_vec()),
    ]);
    assert_eq!(calls(&log), 5);
    let seen = &log.usage.seen;
    assert_eq!((seen.records, seen.other_events, seen.foreign), (7, 1, 1));
    assert_eq!(seen.last.unwrap() - seen.first.unwrap(), 5);
    assert_eq!(log.files.iter().map(|it| it.has_events).collect::<Vec<_>>(), [true, true, true, false]);
    assert!(log.files.iter().all(|it| it.error.is_none()));
}

#[test]
fn counts_broken_records() {
    let text = [web(1), "{\"auditID\": \n".to_owned(), "\u{0}\u{1b}[2J{\n".to_owned(), "nothing\n".to_owned(), web(2)]
        .concat();
    let log = log(&[("audit.log", text.into())]);
    assert_eq!(calls(&log), 2);
    assert_eq!((log.usage.seen.broken, log.usage.seen.foreign, log.usage.seen.cut_off), (2, 1, 0));
}

#[test]
fn counts_invalid_utf8() {
    let mut bytes: Vec<u8> = web(1).into();
    bytes.extend(b"{\"verb\": \"\xff\xfe\", \"user\": {\"username\": \"system:serviceaccount:a:b\"}}\n");
    bytes.extend(web(2).bytes());
    let log = log(&[("audit.log", bytes)]);
    assert_eq!((calls(&log), log.usage.seen.broken), (2, 1));
}

#[test]
fn counts_long_lines() {
    let mut text: Vec<u8> = web(1).into();
    text.extend(b"{\"user\": {\"username\": \"system:serviceaccount:shop:web\"}, \"x\": \"");
    text.resize(text.len() + 100 * (1 << 20), b'x');
    text.extend(b"\"}\n");
    text.extend(web(2).bytes());
    let log = log(&[("audit.log", text)]);
    assert_eq!((calls(&log), log.usage.seen.oversized, log.usage.seen.broken), (2, 1, 0));
}

#[test]
fn reads_truncated_log() {
    let text = [web(1), web(2)].concat();
    let half = text.get(..text.len() - 40).unwrap();
    for (name, bytes) in [("audit.log", half.as_bytes().to_vec()), ("audit.log.gz", gzip(half))] {
        let log = log(&[(name, bytes)]);
        assert_eq!((calls(&log), log.usage.seen.cut_off, log.usage.seen.broken), (1, 1, 0), "{name}");
        assert_eq!(log.files[0].error, None);
    }
}

#[test]
fn reads_truncated_gzip() {
    let lines: Vec<String> = (0..50).map(web).collect();
    let mut bytes = gzip(&lines.concat());
    bytes.truncate(bytes.len() - 12);
    let log = log(&[("audit.log.gz", bytes)]);
    assert!(calls(&log) >= 1, "what came before is counted");
    assert!(log.usage.seen.cut_off >= 1);
    assert_eq!(log.files[0].error, None);
}

#[test]
fn reports_damaged_gzip() {
    let mut damaged = gzip(&(0..50).map(web).collect::<String>());
    let middle = damaged.len() / 2;
    damaged[middle..middle + 20].fill(0xff);
    let log = log(&[("1.gz", damaged), ("2.log", web(1).into())]);
    assert!(calls(&log) >= 1);
    assert!(log.files[0].error.is_some());
}

#[test]
fn calls_of_others_extend_window() {
    let text: String = (0..60).map(|second| line("system:node:n1", second)).collect();
    let log = log(&[("audit.log", text.into())]);
    let seen = &log.usage.seen;
    assert_eq!((seen.last.unwrap() - seen.first.unwrap(), seen.other_events, seen.account_events), (59, 60, 0));
}

#[test]
fn progress_reaches_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let text: String = (0..60).map(web).collect();
    std::fs::write(&path, &text).unwrap();
    let last = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&last);
    read([path], &BTreeSet::new(), Arc::new(move |done, total| *seen.lock().unwrap() = (done, total))).unwrap();
    assert_eq!(*last.lock().unwrap(), (text.len() as u64, text.len() as u64));
}
