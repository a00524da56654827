// SPDX-License-Identifier: Apache-2.0
//! The annotation `skip-containers`, as the EKS Pod identity webhook reads it.

/// The exact names of the containers in a list; `None` if the webhook cannot
/// parse the list, and so skips no container.
///
/// The webhook passes the value to Go's `encoding/csv` and takes the first
/// record: blanks are part of a name, a field may be quoted, a stray quote is an
/// error, and empty lines are skipped.
/// <https://pkg.go.dev/encoding/csv#Reader>
#[must_use]
#[cold]
pub fn names(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut state = State::Start;
    for (index, byte) in value.bytes().enumerate() {
        let is_last_of_line = || matches!(value.as_bytes().get(index + 1), None | Some(b'\n'));
        state = match (state, byte) {
            (State::Quoted, b'"') => State::Closed,
            // Two quotes stand for one.
            (State::Quoted, _) | (State::Closed, b'"') => {
                name.push(byte);
                State::Quoted
            }
            (_, b'\r') if is_last_of_line() => continue,
            (State::Start, b'\n') if names.is_empty() => continue,
            (_, b'\n') => break,
            (_, b',') => {
                names.push(text(std::mem::take(&mut name)));
                State::Start
            }
            (State::Start, b'"') => State::Quoted,
            (State::Closed, _) | (State::Plain, b'"') => return None,
            (State::Start | State::Plain, _) => {
                name.push(byte);
                State::Plain
            }
        };
    }
    if state == State::Quoted || state == State::Start && names.is_empty() {
        return None;
    }
    names.push(text(name));
    Some(names)
}

/// The bytes between ASCII bytes are valid text.
#[inline(never)]
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// The position of the reader in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At its start.
    Start,
    /// In a field without quotes.
    Plain,
    /// Inside the quotes.
    Quoted,
    /// After a quote that may end the field.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::names;
    use rstest::rstest;

    #[rstest]
    #[case("sidecar", &["sidecar"])]
    #[case("a,b", &["a", "b"])]
    #[case("a, b", &["a", " b"])]
    #[case(" a ,b", &[" a ", "b"])]
    #[case("a;b", &["a;b"])]
    #[case("a,", &["a", ""])]
    #[case(",", &["", ""])]
    #[case(r#""a","b""#, &["a", "b"])]
    #[case(r#""a,b",c"#, &["a,b", "c"])]
    #[case(r#""a""b""#, &["a\"b"])]
    #[case("\"a\nb\",c", &["a\nb", "c"])]
    #[case("a\nb", &["a"])]
    #[case("a,\nb", &["a", ""])]
    #[case("\n\r\na,b\r\nc", &["a", "b"])]
    #[case("a\r", &["a"])]
    #[case("a\rb", &["a\rb"])]
    #[case(" ", &[" "])]
    #[case("é,\"ü\"", &["é", "ü"])]
    // A malformed line after the first record is never read.
    #[case("a\n\"", &["a"])]
    fn reads_as_go_does(#[case] value: &str, #[case] expected: &[&str]) {
        assert_eq!(names(value).unwrap(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("\n")]
    #[case("\r\n\r\n")]
    #[case("\r")]
    #[case("a\"")]
    #[case(r#"a "b""#)]
    #[case(r#"a, "b""#)]
    #[case(r#""a" ,b"#)]
    #[case(r#""a"b"#)]
    #[case(r#""a"#)]
    #[case("\"")]
    #[case(r#""a"""#)]
    fn unreadable_list_skips_nothing(#[case] value: &str) {
        assert_eq!(names(value), None);
    }
}
