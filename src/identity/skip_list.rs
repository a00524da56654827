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
pub fn names(value: &str) -> Option<Vec<String>> {
    let value = value.replace("\r\n", "\n");
    // Before the end, a carriage return counts as the end of its line.
    let mut rest = value.strip_suffix('\r').unwrap_or(&value).trim_start_matches('\n');
    if rest.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    loop {
        let (name, behind) = field(rest)?;
        names.push(name);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(names),
        }
    }
}

/// The field that is next, and what follows it: a comma, a line break, or
/// nothing.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (field, behind) = text.split_at(text.find([',', '\n']).unwrap_or(text.len()));
        return (!field.contains('"')).then(|| (field.to_owned(), behind));
    };
    let mut name = String::new();
    loop {
        let (piece, behind) = rest.split_once('"')?;
        name.push_str(piece);
        match behind.strip_prefix('"') {
            // Two quotes are one.
            Some(next) => {
                name.push('"');
                rest = next;
            }
            None => return (behind.is_empty() || behind.starts_with([',', '\n'])).then_some((name, behind)),
        }
    }
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
