// SPDX-License-Identifier: Apache-2.0
//! The annotation `skip-containers`, as the EKS Pod identity webhook reads it.

/// The names of containers in a list, to the letter; none where the webhook can
/// read no list and so skips no container.
///
/// The webhook hands the value to Go's `encoding/csv` and takes the first
/// record: blanks are part of a name, a field may be quoted, a stray quote is an
/// error, lines with nothing in them are passed over.
/// <https://pkg.go.dev/encoding/csv#Reader>
#[must_use]
#[cold]
pub fn names(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut place = Place::Start;
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        let is_end =
            matches!(character, '\n') || character == '\r' && matches!(rest.as_str().chars().next(), None | Some('\n'));
        place = match (place, character) {
            // The line break comes next, or nothing does.
            (Place::Start | Place::Plain | Place::Closed, '\r') if is_end => continue,
            (Place::Start, '\n') if names.is_empty() => continue,
            (Place::Start | Place::Plain | Place::Closed, '\n') => break,
            (Place::Start | Place::Plain | Place::Closed, ',') => {
                names.push(std::mem::take(&mut name));
                Place::Start
            }
            (Place::Start, '"') => Place::Quoted,
            (Place::Plain, '"') => return None,
            (Place::Quoted, '"') => Place::Closed,
            // Two quotes are one.
            (Place::Closed, '"') | (Place::Quoted, _) => {
                name.push(character);
                Place::Quoted
            }
            (Place::Closed, _) => return None,
            (Place::Start | Place::Plain, _) => {
                name.push(character);
                Place::Plain
            }
        };
    }
    if place == Place::Quoted || place == Place::Start && names.is_empty() {
        return None;
    }
    names.push(name);
    Some(names)
}

/// Where in a field the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning.
    Start,
    /// In one without quotes.
    Plain,
    /// Between its quotes.
    Quoted,
    /// Behind a quote that may end it.
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
    #[case("\n\r\na,b\r\nc", &["a", "b"])]
    #[case("a\r", &["a"])]
    #[case("a\rb", &["a\rb"])]
    #[case(" ", &[" "])]
    #[case("é", &["é"])]
    // A broken line behind the first record is never read.
    #[case("a\n\"", &["a"])]
    fn is_read_as_go_does(#[case] value: &str, #[case] expected: &[&str]) {
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
    fn what_go_cannot_read_skips_nothing(#[case] value: &str) {
        assert_eq!(names(value), None);
    }
}
