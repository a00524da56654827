// SPDX-License-Identifier: Apache-2.0
//! The configuration of the cluster's EKS Pod identity webhook, for the rules
//! that read the same objects or check what it injects.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook#usage>

use super::reader::{Problems, Value, unknown};
use crate::matching::dns;
use crate::matching::glob::validate_pattern;
use crate::object::view::Text;

/// The flags of the webhook that rules need to know.
#[derive(Debug)]
pub struct Aws<'a> {
    /// `--annotation-prefix`: the part before `/role-arn`.
    pub annotation_prefix: Text<'a>,
    /// `--token-mount-path`: the directory of the token.
    pub token_mount_path: Text<'a>,
    /// `--aws-default-region`; empty if the webhook injects none.
    pub region: Text<'a>,
    /// `--token-audience`: the audience if the account specifies none.
    pub default_audience: Text<'a>,
}

impl Default for Aws<'_> {
    fn default() -> Self {
        Self {
            annotation_prefix: "eks.amazonaws.com".into(),
            token_mount_path: "/var/run/secrets/eks.amazonaws.com/serviceaccount".into(),
            region: Text::default(),
            default_audience: "sts.amazonaws.com".into(),
        }
    }
}

pub(super) const KEYS: [&str; 4] = ["annotationPrefix", "tokenMountPath", "region", "defaultAudience"];

/// Reads the map; keys that are not given keep their defaults.
#[must_use]
pub fn read<'a>(value: Value<'_, 'a, '_>, problems: &mut Problems) -> Aws<'a> {
    let mut aws = Aws::default();
    value.map(problems, &mut |key, value, problems| {
        let (slot, problem): (_, fn(&str) -> Option<String>) = match key {
            "annotationPrefix" => (&mut aws.annotation_prefix, prefix_problem),
            "tokenMountPath" => (&mut aws.token_mount_path, path_problem),
            "region" => (&mut aws.region, region_problem),
            "defaultAudience" => (&mut aws.default_audience, validate_pattern),
            other => return problems.note(&value.path, unknown(other, "key", &KEYS)),
        };
        let path = value.path;
        let Some(text) = value.text(problems) else { return };
        match problem(&text) {
            Some(problem) => problems.note(&path, problem),
            None => *slot = text,
        }
    });
    aws
}

pub(super) fn prefix_problem(text: &str) -> Option<String> {
    (!dns::is_subdomain(text)).then(|| {
        "must be a DNS name in lower case, without the slash that follows it, e.g. eks.amazonaws.com".to_owned()
    })
}

/// The API server rejects mount paths with a colon.
/// <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#volumes-1>
pub(super) fn path_problem(text: &str) -> Option<String> {
    let fits = text.strip_prefix('/').is_some_and(|parts| {
        parts.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !text.contains(':')
            && validate_pattern(text).is_none()
    });
    (!fits).then(|| "must be an absolute path without . and .., without a slash at the end, e.g. /var/run/secrets/eks.amazonaws.com/serviceaccount".to_owned())
}

pub(super) fn region_problem(text: &str) -> Option<String> {
    let fits = dns::is_label(text) && text.contains('-') && text.ends_with(|c: char| c.is_ascii_digit());
    (!fits).then(|| "must be the name of a region, e.g. eu-west-1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::json::Cursor;
    use crate::settings::reader::Path;

    fn read_all(text: &str) -> (Aws<'_>, Vec<String>) {
        let mut problems = Problems::default();
        let aws = read(Value::new(&mut Cursor::new(text), Path::Key(&Path::Root, "aws")), &mut problems);
        (aws, problems.into_lines())
    }

    fn texts<'a>(aws: &'a Aws<'_>) -> [&'a str; 4] {
        [&aws.annotation_prefix, &aws.token_mount_path, &aws.region, &aws.default_audience]
    }

    #[test]
    fn defaults() {
        for text in ["{}", r#"{"annotationPrefix":"","tokenMountPath":null,"region":"","defaultAudience":[]}"#] {
            let (aws, problems) = read_all(text);
            assert_eq!(problems, Vec::<String>::new());
            assert_eq!(
                texts(&aws),
                ["eks.amazonaws.com", "/var/run/secrets/eks.amazonaws.com/serviceaccount", "", "sts.amazonaws.com"]
            );
        }
    }

    #[test]
    fn values() {
        let (aws, problems) = read_all(
            r#"{"annotationPrefix":"irsa.example.com","tokenMountPath":"/run/aws","region":"us-gov-west-1","defaultAudience":"sts.amazonaws.com.cn"}"#,
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(texts(&aws), ["irsa.example.com", "/run/aws", "us-gov-west-1", "sts.amazonaws.com.cn"]);
    }

    #[test]
    fn problems() {
        let (_, problems) = read_all(
            r#"{"annotationPrefix":"eks.amazonaws.com/","tokenMountPath":"run/aws/","region":"Ireland","defaultAudience":"a b","anotationPrefix":"x"}"#,
        );
        assert_eq!(
            problems,
            [
                "aws.annotationPrefix: must be a DNS name in lower case, without the slash that follows it, e.g. eks.amazonaws.com",
                "aws.tokenMountPath: must be an absolute path without . and .., without a slash at the end, e.g. /var/run/secrets/eks.amazonaws.com/serviceaccount",
                "aws.region: must be the name of a region, e.g. eu-west-1",
                "aws.defaultAudience: has a blank or control character, so it cannot match anything (a b)",
                "aws.anotationPrefix: unknown key `anotationPrefix`; did you mean `annotationPrefix`?",
            ]
        );
        assert_eq!(read_all("[1]").1, ["aws: must be a map, is a list"]);
        assert_eq!(read_all(r#"{"region":7}"#).1, ["aws.region: must be a string, is a number; write it in quotes"]);
    }

    #[test]
    fn mount_paths() {
        for text in ["/a", "/var/run/secrets/eks.amazonaws.com/serviceaccount"] {
            assert_eq!(path_problem(text), None, "{text}");
        }
        for text in ["", "/", "a", "/a/", "//a", "/a/../b", "/./a", "/a:b", "/a b"] {
            assert!(path_problem(text).is_some(), "{text}");
        }
    }

    #[test]
    fn regions() {
        for text in ["eu-west-1", "us-gov-east-1", "eusc-de-east-1", "ap-southeast-5"] {
            assert_eq!(region_problem(text), None, "{text}");
        }
        for text in ["eu-west-1a", "eu_west_1", "EU-WEST-1", "euwest1", "eu-west-"] {
            assert!(region_problem(text).is_some(), "{text}");
        }
    }
}
