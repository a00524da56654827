// SPDX-License-Identifier: Apache-2.0
//! The settings outside of `rules`, declared like the parameters of rules. The
//! JSON schema, the form and their tests are made from this. The policy itself
//! reads the settings with handwritten code, once per request, and links none of
//! this.

use super::doc::Doc;
use super::params::{Kind, Param};
use super::{LookupMode, Phase, Profile, Templates, TreatWarnAs};
use crate::matching::account;
use crate::matching::glob::validate_pattern;

/// The settings that are a value or a list.
pub static COMMON: &[&Param] = &[
    &Param {
        name: "profile",
        kind: Kind::Choice(Profile::WORDS),
        default: r#""baseline""#,
        doc: Doc::new(
            "behavior of the rules that `rules` does not set, and whether look-ups are required: `observe` only warns, `baseline` applies harmless fixes and rejects what cannot work, `restricted` is the strictest profile",
        ),
    },
    &Param {
        name: "phase",
        kind: Kind::Choice(Phase::WORDS),
        default: r#""mutating""#,
        doc: Doc::new(
            "which of the two policies of a deployment this is; in the `validating` policy, which runs after all mutating webhooks, `mutate` acts as `reject`",
        ),
    },
    &Param {
        name: "templates",
        kind: Kind::Choice(Templates::WORDS),
        default: r#""check""#,
        doc: Doc::new(
            "how workloads are handled: `check` checks the Pods they will create, `fix` also fixes the Pod template, `ignore` accepts them unchecked",
        ),
    },
    &Param {
        name: "serviceAccountLookup",
        kind: Kind::Choice(LookupMode::WORDS),
        default: r#""optional""#,
        doc: Doc::new(
            "whether a Pod's ServiceAccount is read from the cluster; `required` rejects the request if it cannot be read",
        ),
    },
    &Param {
        name: "permissionLookup",
        kind: Kind::Choice(LookupMode::WORDS),
        default: r#""optional""#,
        doc: Doc::new(
            "whether the policy looks up what a Pod's ServiceAccount may do, for example before it removes the Pod's token; `required` rejects the request if this look-up fails",
        ),
    },
    &Param {
        name: "exemptSystemNamespaces",
        kind: Kind::Flag,
        default: "true",
        doc: Doc::new("whether `kube-system`, `kube-public` and `kube-node-lease` are exempt"),
    },
    &Param {
        name: "treatWarnAs",
        kind: Kind::Choice(TreatWarnAs::WORDS),
        default: r#""warn""#,
        doc: Doc::new(
            "how warnings are treated; `reject` is for audit reports, which record a response with warnings as a pass",
        ),
    },
    &Param {
        name: "extraApiAudiences",
        kind: Kind::Globs(super::api_audience_problem),
        default: "[]",
        doc: Doc::new("other audiences that the cluster's API server accepts: the values of its `--api-audiences`"),
    },
    &Param {
        name: "customTemplates",
        kind: Kind::Entries(CUSTOM_TEMPLATE),
        default: "[]",
        doc: Doc::new("custom resources with a Pod template; also list them in the policy's `rules`"),
    },
    &Param {
        name: "exemptions",
        kind: Kind::Entries(EXEMPTION),
        default: "[]",
        doc: Doc::new(
            "exempt requests; all fields of an entry must match, and a field matches if one of its values matches",
        ),
    },
];

/// The fields of `aws`: the configuration of the cluster's EKS Pod identity webhook.
pub static AWS: &[&Param] = &[
    &Param {
        name: "annotationPrefix",
        kind: Kind::Text(super::aws::prefix_problem),
        default: r#""eks.amazonaws.com""#,
        doc: Doc::new("prefix before `/role-arn` (the webhook's `--annotation-prefix`)"),
    },
    &Param {
        name: "tokenMountPath",
        kind: Kind::Text(super::aws::path_problem),
        default: r#""/var/run/secrets/eks.amazonaws.com/serviceaccount""#,
        doc: Doc::new("directory of the token (`--token-mount-path`)"),
    },
    &Param {
        name: "region",
        kind: Kind::Text(super::aws::region_problem),
        default: r#""""#,
        doc: Doc::new("region that the webhook injects (`--aws-default-region`); if empty, it injects none"),
    },
    &Param {
        name: "defaultAudience",
        kind: Kind::Text(validate_pattern),
        default: r#""sts.amazonaws.com""#,
        doc: Doc::new("audience if the ServiceAccount sets none (`--token-audience`)"),
    },
];

/// The fields of an entry of `customTemplates`; all are required.
pub static CUSTOM_TEMPLATE: &[&Param] = &[
    &Param {
        name: "apiGroup",
        kind: Kind::Text(validate_pattern),
        default: "",
        doc: Doc::new("API group, without a version"),
    },
    &Param { name: "kind", kind: Kind::Text(validate_pattern), default: "", doc: Doc::new("kind of the resource") },
    &Param {
        name: "path",
        kind: Kind::Text(validate_pattern),
        default: "",
        doc: Doc::new("path of the template, e.g. `spec.template`"),
    },
];

/// The fields of an entry of `exemptions`; one of them besides `rules` and `reason` is required.
pub static EXEMPTION: &[&Param] = &[
    &Param {
        name: "rules",
        kind: Kind::Texts { of: "rules", problem: validate_pattern },
        default: "[]",
        doc: Doc::new("rules that the exemption applies to; if empty, all rules"),
    },
    &Param {
        name: "namespaces",
        kind: Kind::Globs(validate_pattern),
        default: "[]",
        doc: Doc::new("namespace of the object"),
    },
    &Param {
        name: "serviceAccounts",
        kind: Kind::Globs(account::problem),
        default: "[]",
        doc: Doc::new("ServiceAccounts, as `namespace/name`: the object itself, or those that it uses or names"),
    },
    &Param {
        name: "names",
        kind: Kind::Globs(validate_pattern),
        default: "[]",
        doc: Doc::new("name of the object, or its `generateName`"),
    },
    &Param {
        name: "kinds",
        kind: Kind::Globs(validate_pattern),
        default: "[]",
        doc: Doc::new("kind of the object, e.g. `Job`"),
    },
    &Param {
        name: "users",
        kind: Kind::Globs(super::exemptions::user_problem),
        default: "[]",
        doc: Doc::new("user who sends the request; a workload's Pods are created by a controller"),
    },
    &Param {
        name: "groups",
        kind: Kind::Globs(super::exemptions::group_problem),
        default: "[]",
        doc: Doc::new("group of the user who sends the request"),
    },
    &Param {
        name: "reason",
        kind: Kind::Text(|_| None),
        default: r#""""#,
        doc: Doc::new("reason for the exemption; has no effect"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::json::Cursor;
    use crate::settings::Settings;
    use crate::settings::reader::Problems;

    /// The problems with settings, and the settings that were read.
    fn read(text: &str) -> (Vec<String>, String) {
        let mut problems = Problems::default();
        let read = format!("{:?}", Settings::read(&mut Cursor::new(text), &[], None, &mut problems).common);
        (problems.into_lines(), read)
    }

    fn members(params: &[&Param]) -> String {
        let given = params.iter().filter(|param| !param.default.is_empty());
        given.map(|param| format!("{:?}:{}", param.name, param.default)).collect::<Vec<_>>().join(",")
    }

    fn names(params: &[&Param]) -> Vec<&'static str> {
        params.iter().map(|param| param.name).collect()
    }

    #[test]
    fn declared_defaults() {
        let reported = format!("{{{},\"aws\":{{{}}}}}", members(COMMON), members(AWS));
        assert_eq!(read(&reported), read("{}"), "{reported}");
    }

    #[test]
    fn declared_keys() {
        let mut declared = names(COMMON);
        declared.extend(["description", "aws", "rules"]);
        for (mut declared, mut keys) in [
            (declared, super::super::KEYS.to_vec()),
            (names(AWS), super::super::aws::KEYS.to_vec()),
            (names(EXEMPTION), super::super::exemptions::KEYS.to_vec()),
        ] {
            declared.sort_unstable();
            keys.sort_unstable();
            assert_eq!(declared, keys, "declare the settings in src/settings/declared.rs");
        }
        let (problems, _) = read(r#"{"customTemplates":[{"apiGroup":"a.b","kind":"K","path":"spec.template"}]}"#);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(names(CUSTOM_TEMPLATE), ["apiGroup", "kind", "path"]);
    }
}
