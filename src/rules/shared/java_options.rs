// SPDX-License-Identifier: Apache-2.0
//! What the rules about cloud identities share: Java system properties that the
//! AWS SDK prefers to the environment. They are set by a JVM option, in a
//! variable such as `JAVA_TOOL_OPTIONS` or on the command line.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>
//! <https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html#using-the-jdk_java_options-launcher-environment-variable>

use crate::diagnostic::field_path::FieldPath;
use crate::engine::context::{CheckedContainer, ReviewError, Workload, object_path};
use crate::fast::cut;
use crate::object::env::SearchWords;
#[cfg(doc)]
use crate::object::pod::Container;

/// A property that an option sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property<'t> {
    /// Its name, without the prefix `aws.`.
    pub name: &'static str,
    /// Its value, which is never empty and must never be shown.
    pub value: &'t str,
}

impl Property<'_> {
    /// The variable that the whole value is taken from, if the kubelet (`$(NAME)`)
    /// or a shell (`$NAME`, `${NAME}`) expands it.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        let name = self.value.strip_prefix('$')?;
        let inner = [('(', ')'), ('{', '}')]
            .into_iter()
            .find_map(|(open, close)| name.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)));
        let name = inner.unwrap_or(name);
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then_some(name)
    }
}

/// Calls `each` with every property of `names` that an option of a container
/// sets, and with its path. Hardly any container has such an option: call
/// [`Container::may_set_java_property`] first.
///
/// # Errors
/// [`ReviewError`] when environment or arguments cannot be read, and those of `each`.
#[cold]
pub fn each_property(
    pod: &Workload<'_>,
    checked: CheckedContainer<'_>,
    names: &[&'static str],
    each: &mut dyn FnMut(FieldPath, Property<'_>) -> Result<(), ReviewError>,
) -> Result<(), ReviewError> {
    let container = checked.container;
    if container.env.may_hold(SearchWords::JAVA) {
        for (position, variable) in container.read_env(&|| object_path(&checked.path(pod)))?.iter().enumerate() {
            let path = || checked.path(pod).field("env").entry(variable.name.as_deref(), position);
            let value = variable.literal(&|| object_path(&path()))?;
            properties(&value, names, &mut |property| each(path(), property))?;
        }
    }
    for (field, list) in [("command", &container.command), ("args", &container.args)] {
        if !list.may_set_java_property() {
            continue;
        }
        let path = || checked.path(pod).field(field);
        for (position, text) in list.read(&|| object_path(&path()))?.iter().enumerate() {
            properties(text, names, &mut |property| each(path().entry(None, position), property))?;
        }
    }
    Ok(())
}

/// Calls `each` with every property of `names` that the options in a text set. Quotes
/// are removed first: shells and the JVM join quoted text with the text next to it.
fn properties(
    text: &str,
    names: &[&'static str],
    each: &mut dyn FnMut(Property<'_>) -> Result<(), ReviewError>,
) -> Result<(), ReviewError> {
    /// The prefix of a property's name.
    const OPTION: &str = "-Daws.";
    let unquoted: String = text.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    let mut rest = unquoted.as_str();
    while let Some((_, behind)) = rest.split_once(OPTION) {
        rest = behind;
        let Some((written, value)) = cut::once(behind, b'=') else { break };
        // The SDK trims the value. If it begins with a dash, it is the next option.
        let value = value.trim_ascii_start().split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        let is_empty = value.is_empty() || value.starts_with('-');
        if let Some(name) = names.iter().find(|name| **name == written).filter(|_| !is_empty) {
            each(Property { name, value })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NAMES: [&str; 2] = ["accessKeyId", "roleArn"];

    fn read(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        properties(text, &NAMES, &mut |property| {
            found.push((property.name, property.value.to_owned()));
            Ok(())
        })
        .unwrap();
        found
    }

    #[rstest]
    #[case("$(KEY)", Some("KEY"))]
    #[case("$KEY", Some("KEY"))]
    #[case("${KEY}", Some("KEY"))]
    #[case("${KEY:-x}", None)]
    #[case("$(KEY", None)]
    #[case("$(A)$(B)", None)]
    #[case("$(KEY)x", None)]
    #[case("KEY", None)]
    #[case("$", None)]
    fn variables(#[case] value: &str, #[case] expected: Option<&str>) {
        assert_eq!(Property { name: "secretKey", value }.variable(), expected);
    }

    #[rstest]
    #[case::alone("-Daws.accessKeyId=x", &[("accessKeyId", "x")])]
    #[case::among_others("-Xmx1g -Daws.accessKeyId=x -Dfoo=y", &[("accessKeyId", "x")])]
    #[case::two("-Daws.accessKeyId=x\n-Daws.roleArn=y", &[("accessKeyId", "x"), ("roleArn", "y")])]
    #[case::in_a_script("exec java \"-Daws.accessKeyId=x\" -jar a.jar", &[("accessKeyId", "x")])]
    #[case::quoted_name("java -D\"aws.accessKeyId=x\" -D'aws.roleArn'=y", &[("accessKeyId", "x"), ("roleArn", "y")])]
    #[case::single_quotes_in_part("-Da'ws.'roleArn=y -D'a'ws.accessKeyId=x", &[("roleArn", "y"), ("accessKeyId", "x")])]
    #[case::blank_before_the_value("-Daws.roleArn= y", &[("roleArn", "y")])]
    #[case::quoted_blank("-Daws.roleArn=\" \ty\"", &[("roleArn", "y")])]
    #[case::quoted_in_part("-Da\"ws.\"roleArn=y", &[("roleArn", "y")])]
    #[case::escaped_quotes("sh -c \"java -D\\\"aws.roleArn=y\\\"\"", &[("roleArn", "y")])]
    #[case::quoted_value("-Daws.accessKeyId='x y'", &[("accessKeyId", "x")])]
    #[case::value_with_an_equals_sign("-Daws.accessKeyId=a=b", &[("accessKeyId", "a=b")])]
    #[case::other_property("-Daws.region=eu-west-1", &[])]
    #[case::longer_name("-Daws.accessKeyIdentifier=x", &[])]
    #[case::without_a_value("-Daws.accessKeyId= -jar", &[])]
    #[case::without_an_equals_sign("-Daws.accessKeyId", &[])]
    #[case::behind_another("-Daws.accessKeyId -Daws.roleArn=y", &[("roleArn", "y")])]
    #[case::empty("", &[])]
    fn options(#[case] text: &str, #[case] expected: &[(&'static str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(read(text), expected);
    }
}
