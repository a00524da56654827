// SPDX-License-Identifier: Apache-2.0

//! Placeholders that should have been replaced before the object is sent: `{{ … }}`, `${NAME}`, `__NAME__`.

use memchr::memmem;

/// A placeholder that was not replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder<'t> {
    /// `{{ … }}`, from Helm, Jinja and others.
    Template(&'t str),
    /// `${NAME}`, as `envsubst` and Flux replace it, or `__NAME__`.
    Name(&'t str),
}

impl<'t> Placeholder<'t> {
    /// The first one in a text.
    pub(crate) fn find(text: &'t str) -> Option<Self> {
        template(text).or_else(|| variable(text)).or_else(|| marker(text))
    }

    /// What to do about it, with the placeholder itself if that may be printed.
    pub(crate) fn help(self, is_printable: bool) -> String {
        let (shown, advice) = match self {
            Self::Template(text) => (text, "a template; render it first, for example with `helm template`"),
            Self::Name(text) => (text, "a placeholder; substitute it first"),
        };
        if is_printable {
            format!("`{}` is {advice}", crate::shown::text(shown))
        } else {
            format!("the value is {advice}")
        }
    }
}

/// Whether a text may contain placeholders.
pub(crate) fn may_be_in(text: &str) -> bool {
    ["{{", "${", "__"].iter().any(|mark| memmem::find(text.as_bytes(), mark.as_bytes()).is_some())
}

/// The longest template that is shown, in characters.
const LONGEST: usize = 60;

fn template(text: &str) -> Option<Placeholder<'_>> {
    let start = text.find("{{")?;
    let length = text.get(start..)?.find("}}")? + 2;
    let shown = text.get(start..start + length).filter(|it| it.chars().count() <= LONGEST).unwrap_or("{{ … }}");
    Some(Placeholder::Template(shown))
}

fn variable(text: &str) -> Option<Placeholder<'_>> {
    text.match_indices("${").find_map(|(start, _)| {
        let rest = text.get(start + 2..)?;
        let length = rest.find('}')?;
        // With a default: `${NAME:-x}`, `${NAME:=x}`.
        let name = rest.get(..length)?.split(':').next()?;
        is_name(name).then_some(Placeholder::Name(text.get(start..start + length + 3)?))
    })
}

fn marker(text: &str) -> Option<Placeholder<'_>> {
    text.match_indices("__").find_map(|(start, _)| {
        let length = text.get(start + 2..)?.find("__")?;
        let name = text.get(start + 2..start + 2 + length)?;
        let is_marker = is_name(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase());
        is_marker.then_some(Placeholder::Name(text.get(start..start + length + 4)?))
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("x-{{ .Values.name }}-y", Some(Placeholder::Template("{{ .Values.name }}")))]
    #[case("arn:aws:iam::${ACCOUNT_ID}:role/x", Some(Placeholder::Name("${ACCOUNT_ID}")))]
    #[case("${name:-web}", Some(Placeholder::Name("${name:-web}")))]
    #[case("arn:aws:iam::__ACCOUNT__:role/x", Some(Placeholder::Name("__ACCOUNT__")))]
    #[case("__ACCOUNT_ID__", Some(Placeholder::Name("__ACCOUNT_ID__")))]
    #[case("$(POD_NAME)", None)]
    #[case("a__b__c", None)]
    #[case("${not a name}", None)]
    #[case("{{ open", None)]
    #[case("plain", None)]
    fn placeholders_are_recognised(#[case] text: &str, #[case] expected: Option<Placeholder<'_>>) {
        assert_eq!(Placeholder::find(text), expected);
    }

    #[test]
    fn help_without_the_value() {
        let found = Placeholder::find("{{ secret }}").unwrap();
        assert_eq!(found.help(true), "`{{ secret }}` is a template; render it first, for example with `helm template`");
        assert_eq!(found.help(false), "the value is a template; render it first, for example with `helm template`");
    }
}
