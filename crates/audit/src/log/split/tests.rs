// SPDX-License-Identifier: Apache-2.0

use rstest::rstest;

use super::*;

/// A stream that returns few bytes at a time.
struct Slow<'t>(&'t [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        let (head, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(head);
        self.0 = rest;
        Ok(count)
    }
}

fn records(text: &[u8]) -> (Vec<String>, u64) {
    let mut found = Vec::new();
    let mut oversized = 0;
    for bytes_at_once in [1 << 16, 7] {
        (found, oversized) = (Vec::new(), 0);
        let mut lasts = 0;
        split(Slow(text, bytes_at_once), &mut |block| {
            found.extend(block.records().map(|record| String::from_utf8_lossy(record).into_owned()));
            oversized += block.oversized;
            lasts += u32::from(block.is_last);
            true
        })
        .unwrap();
        assert_eq!(lasts, 1);
    }
    (found, oversized)
}

#[rstest]
#[case::nothing("", &[])]
#[case::blank("\n \n", &[])]
#[case::lines("{\"a\":1}\n{\"a\":2}\n", &["{\"a\":1}", "{\"a\":2}"])]
#[case::lines_of_windows("{\"a\":1}\r\n\r\n{\"a\":2}", &["{\"a\":1}", "{\"a\":2}"])]
#[case::a_broken_line_first("{\"a\":\n{\"a\":2}\n{\"a\":3}\n", &["{\"a\":", "{\"a\":2}", "{\"a\":3}"])]
#[case::a_broken_line_between("{\"a\":1}\n{\"a\n{\"a\":3}\n", &["{\"a\":1}", "{\"a", "{\"a\":3}"])]
#[case::text_before_the_object("2026-11-01T00:00:00Z {\"a\":1}\nx\n", &["2026-11-01T00:00:00Z {\"a\":1}", "x"])]
#[case::one_object("{\"a\":1}", &["{\"a\":1}"])]
#[case::array("[{\"a\":1},{\"b\":[{}]}]", &["{\"a\":1}", "{\"b\":[{}]}"])]
#[case::array_over_lines("[\n {\n \"a\": 1\n },\n {}\n]\n", &["{\n \"a\": 1\n }", "{}"])]
#[case::objects_over_lines("{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n", &["{\n\"a\": 1\n}", "{\n\"a\": 2\n}"])]
#[case::objects_in_one_line("{\"a\":1}{\"a\":2}\n", &["{\"a\":1}", "{\"a\":2}"])]
#[case::wrapped("{\"x\": {\"y\": 1}, \"events\": [{\"a\":1}, {\"a\":2}], \"z\": [{}]}", &["{\"a\":1}", "{\"a\":2}"])]
#[case::wrapped_over_lines("{\n\"items\": [\n{\"a\":1},\n{\"items\":[{}]}\n]}\n", &["{\"a\":1}", "{\"items\":[{}]}"])]
#[case::wrapped_twice("{\"logEvents\":[{\"a\":1}]}{\"logEvents\":[{\"a\":2}]}", &["{\"a\":1}", "{\"a\":2}"])]
#[case::not_a_wrapper("{\"a\":1,\n\"other\":[{\"a\":1}]}", &["{\"a\":1,\n\"other\":[{\"a\":1}]}"])]
#[case::the_name_as_a_value("{\"a\":\n\"b\",\"c\":[{}]}", &["{\"a\":\n\"b\",\"c\":[{}]}"])]
#[case::braces_in_strings("[{\"a\":\"}]\\\"{\"},{}]", &["{\"a\":\"}]\\\"{\"}", "{}"])]
#[case::cut_off("[{\"a\":1},{\"a\":", &["{\"a\":1}", "{\"a\":"])]
#[case::not_objects("[1, [2, {}], \"x\", {\"a\":1}]", &["{\"a\":1}"])]
#[case::more_closed_than_opened("[{\"a\":1}]]}{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"])]
fn found(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(records(text.as_bytes()), (expected.iter().map(|it| (*it).to_owned()).collect(), 0));
}

#[test]
fn skips_long_line() {
    let mut text = b"{\"a\":1}\n".to_vec();
    text.resize(text.len() + 3 * MAX_RECORD_BYTES, b'x');
    text.extend(b"\n{\"a\":2}\n");
    assert_eq!(records(&text), (vec!["{\"a\":1}".to_owned(), "{\"a\":2}".to_owned()], 1));
    text.truncate(text.len() - 10);
    assert_eq!(records(&text), (vec!["{\"a\":1}".to_owned()], 1), "as the last line");
}

#[test]
fn skips_long_record() {
    let mut text = b"[{\"a\":1},{\"b\":\"".to_vec();
    text.resize(text.len() + 2 * MAX_RECORD_BYTES, b'}');
    text.extend(b"\"},{\"a\":2}]");
    assert_eq!(records(&text), (vec!["{\"a\":1}".to_owned(), "{\"a\":2}".to_owned()], 1));
}

#[test]
fn splits_one_long_line() {
    let record = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let text = format!("{{\"kind\":\"EventList\",\"items\":[{}]}}", vec![record.as_str(); 5000].join(","));
    assert!(text.len() > MAX_RECORD_BYTES);
    let (found, oversized) = records(text.as_bytes());
    assert_eq!((found.len(), oversized), (5000, 0));
    assert!(found.iter().all(|it| *it == record));
}

#[test]
fn blocks_are_small_and_whole() {
    let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(99));
    let text = line.repeat(50_000);
    let (mut count, mut largest) = (0, 0);
    split(text.as_bytes(), &mut |block| {
        largest = largest.max(block.bytes.len());
        count += block.records().filter(|record| record.len() + 1 == line.len()).count();
        true
    })
    .unwrap();
    assert_eq!(count, 50_000);
    assert!(largest <= 2 * BLOCK_BYTES, "{largest}");
}

#[test]
fn stops_early() {
    let text = "{}\n".repeat(1 << 20);
    let mut blocks = 0;
    split(text.as_bytes(), &mut |_| {
        blocks += 1;
        false
    })
    .unwrap();
    assert_eq!(blocks, 1);
}
