// SPDX-License-Identifier: Apache-2.0
//! The settings: read once per request (each is served by a fresh instance),
//! valid by construction afterwards, with all problems reported together.

pub mod action;
pub mod aws;
pub mod declared;
pub mod doc;
pub mod exemptions;
pub mod params;
pub mod reader;

use crate::matching::glob::{self, Glob, validate_pattern};
use crate::object::json::Cursor;
use crate::object::view::Text;
use aws::Aws;
use exemptions::{Envelope, Exemptions};
use reader::{Path, Problems, Value, unknown};

/// The settings outside of the rules.
#[derive(Debug, Default)]
pub struct Common<'a> {
    /// What the rules do by default.
    pub profile: Profile,
    /// Which of the two policies of a deployment this is.
    pub phase: Phase,
    /// How Pod templates are handled.
    pub templates: Templates,
    /// Whether accounts are looked up in the cluster.
    pub lookup: LookupMode,
    /// Whether the permissions of accounts are looked up in the cluster.
    pub permission_lookup: LookupMode,
    /// Whether the system namespaces are exempt.
    pub exempt_system_namespaces: ExemptSystem,
    /// What a warning is treated as.
    pub treat_warn_as: TreatWarnAs,
    /// More audiences that the cluster's own API server accepts.
    pub extra_api_audiences: Vec<Glob<'a>>,
    /// The cluster's EKS Pod identity webhook.
    pub aws: Aws<'a>,
    /// Custom resources that contain a Pod template.
    pub custom_templates: Vec<CustomTemplate<'a>>,
    /// What is not checked.
    pub exemptions: Exemptions<'a>,
}

/// The settings as a whole: the common part, and each rule's part as text,
/// which only the rules in the plan read.
#[derive(Debug, Default)]
pub struct Settings<'a> {
    /// The settings outside of the rules.
    pub common: Common<'a>,
    /// The ID and the settings of each rule that they name.
    pub rules: Vec<(String, &'a str)>,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident = $first_word:literal, $($(#[$doc:meta])* $variant:ident = $word:literal),* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $name {
            $(#[$first_doc])* #[default] $first,
            $($(#[$doc])* $variant,)*
        }
        impl $name {
            /// The words in the settings, the default first.
            pub const WORDS: &'static [&'static str] = &[$first_word, $($word),*];

            fn from_word(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    _ => Self::$first,
                }
            }
        }
    };
}

words! {
    /// The defaults of the rules, and whether look-ups are required. Modeled on
    /// the Pod Security Standards.
    /// <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
    Profile {
        /// Fixes what is harmless to change, and rejects what cannot work.
        Baseline = "baseline",
        /// Only warns.
        Observe = "observe",
        /// The strictest: all rules except those that are off in every profile.
        Restricted = "restricted"
    }
}
words! {
    /// Which of the two policies of a deployment this is.
    Phase {
        /// Fixes and checks, possibly before other webhooks have run.
        Mutating = "mutating",
        /// Only checks, after all mutating webhooks have run.
        Validating = "validating"
    }
}
words! {
    /// How Pod templates are handled.
    Templates {
        /// Checked; what a fix would change in the Pods is a warning.
        Check = "check",
        /// Accepted without being read.
        Ignore = "ignore",
        /// Checked and fixed.
        Fix = "fix"
    }
}
words! {
    /// Whether the cluster is queried: for accounts, or for their permissions.
    LookupMode {
        /// Queried; without access, the answer is unknown.
        Optional = "optional",
        /// Never queried.
        Off = "off",
        /// Queried; without access, the request is rejected.
        Required = "required"
    }
}
words! {
    /// What a warning is treated as.
    TreatWarnAs {
        /// A warning.
        Warn = "warn",
        /// A rejection, for reports that count a warning as a pass.
        Reject = "reject"
    }
}

/// Whether kube-system, kube-public and kube-node-lease are exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExemptSystem(pub bool);

impl Default for ExemptSystem {
    fn default() -> Self {
        Self(true)
    }
}

/// The system namespaces.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The audiences that API servers accept by default, and the issuers of managed
/// clusters, which those clusters accept as audiences too. AKS has used four
/// forms: one with quotes, one of the API server, and two of public issuers. kOps
/// sets `kubernetes.svc.default`. k0s and Kubermatic let the API server accept
/// the audience of konnectivity. `unknown` is the audience of K3s before 1.19 and
/// of RKE1. The second form of EKS is that of clusters with IPv6.
/// <https://github.com/sigstore/fulcio/issues/970>
/// <https://github.com/kubernetes/kops/blob/master/pkg/model/components/apiserver.go>
const API_AUDIENCES: [&str; 17] = [
    "https://kubernetes.default*",
    "kubernetes.default*",
    "kubernetes.svc.default*",
    "kubernetes",
    "gardener",
    "system:konnectivity-server",
    "api",
    "k3s",
    "rke2",
    "https://container.googleapis.com/v1/projects/*",
    "https://*.azmk8s.io*",
    "\"*.azmk8s.io*",
    "https://*.oic.prod-aks.azure.com/*",
    "https://oidc.prod-aks.azure.com/*",
    "https://oidc.eks.*",
    "https://oidc-eks.*",
    "unknown",
];

/// A custom resource that contains a Pod template.
#[derive(Debug)]
pub struct CustomTemplate<'a> {
    /// The API group.
    pub api_group: Text<'a>,
    /// The kind.
    pub kind: Text<'a>,
    /// The dotted path of the template, e.g. `spec.template`.
    pub path: Text<'a>,
}

const KEYS: [&str; 13] = [
    "description",
    "profile",
    "phase",
    "templates",
    "serviceAccountLookup",
    "permissionLookup",
    "exemptSystemNamespaces",
    "treatWarnAs",
    "extraApiAudiences",
    "aws",
    "customTemplates",
    "exemptions",
    "rules",
];

impl Common<'_> {
    /// Whether every request in this namespace is exempt.
    #[must_use]
    pub fn exempts_namespace(&self, namespace: &str) -> bool {
        self.exempt_system_namespaces.0 && SYSTEM_NAMESPACES.contains(&namespace)
    }

    /// Whether the Kubernetes API accepts a token with this audience.
    #[must_use]
    pub fn is_api_audience(&self, audience: &str) -> bool {
        audience.is_empty()
            || API_AUDIENCES.iter().any(|pattern| glob::matches(pattern, audience))
            || glob::any(&self.extra_api_audiences, audience)
    }
}

impl<'a> Settings<'a> {
    /// Reads everything except the rules' own parts, from the position of a cursor.
    /// `rule_ids` are the IDs of all rules. With an envelope, exemptions for other
    /// requests are skipped.
    #[must_use]
    pub fn read(
        json: &mut Cursor<'a>,
        rule_ids: &[&'static str],
        envelope: Option<Envelope<'_>>,
        problems: &mut Problems,
    ) -> Self {
        let mut settings = Self::default();
        if json.nothing() {
            return settings;
        }
        let Self { common, rules } = &mut settings;
        let (mut lookup, mut permission_lookup) = (None, None);
        Value::new(json, Path::Root).map(problems, &mut |key, value, problems| {
            match key {
                // Rancher stores the description of its form here.
                "description" => drop(value.text(problems)),
                "profile" => set(&mut common.profile, value.choice(Profile::WORDS, problems), Profile::from_word),
                "phase" => set(&mut common.phase, value.choice(Phase::WORDS, problems), Phase::from_word),
                "templates" => {
                    set(&mut common.templates, value.choice(Templates::WORDS, problems), Templates::from_word);
                }
                "serviceAccountLookup" => lookup = value.choice(LookupMode::WORDS, problems),
                "permissionLookup" => permission_lookup = value.choice(LookupMode::WORDS, problems),
                "treatWarnAs" => {
                    set(&mut common.treat_warn_as, value.choice(TreatWarnAs::WORDS, problems), TreatWarnAs::from_word);
                }
                "exemptSystemNamespaces" => {
                    if let Some(flag) = value.flag(problems) {
                        common.exempt_system_namespaces = ExemptSystem(flag);
                    }
                }
                "extraApiAudiences" => common.extra_api_audiences = value.globs(api_audience_problem, problems),
                "aws" => common.aws = aws::read(value, problems),
                "customTemplates" => common.custom_templates = custom_templates(value, problems),
                "exemptions" => common.exemptions = exemptions::read(value, rule_ids, envelope, problems),
                "rules" => value.map(problems, &mut |id, rule, _| rules.push((id.to_owned(), rule.raw()))),
                other => problems.note(&value.path, unknown(other, "setting", &KEYS)),
            }
        });
        let mode = |word: Option<&str>| match word {
            Some(word) => LookupMode::from_word(word),
            None if common.profile == Profile::Restricted => LookupMode::Required,
            None => LookupMode::Optional,
        };
        (common.lookup, common.permission_lookup) = (mode(lookup), mode(permission_lookup));
        settings
    }
}

fn set<T>(slot: &mut T, word: Option<&'static str>, from_word: fn(&str) -> T) {
    if let Some(word) = word {
        *slot = from_word(word);
    }
}

fn api_audience_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        pattern
            .chars()
            .all(|c| matches!(c, '*' | '?'))
            .then(|| "matches every audience, so every token would be an API token".to_owned())
    })
}

fn custom_templates<'a>(list: Value<'_, 'a, '_>, problems: &mut Problems) -> Vec<CustomTemplate<'a>> {
    let mut templates = Vec::new();
    list.list(problems, &mut |_, mut entry, problems| {
        let path = entry.path;
        let is_map = entry.is_map();
        let (mut api_group, mut kind, mut template) = (None, None, None);
        let mut given = 0;
        entry.map(problems, &mut |key, value, problems| {
            let path = value.path;
            given += 1;
            match key {
                "apiGroup" => api_group = value.text(problems).filter(|text| is_group(text, &path, problems)),
                "kind" => kind = value.text(problems),
                "path" => template = value.text(problems).filter(|text| is_template_path(text, &path, problems)),
                other => {
                    given -= 1;
                    problems.note(&path, unknown(other, "key", &["apiGroup", "kind", "path"]));
                }
            }
        });
        match (api_group, kind, template) {
            (Some(api_group), Some(kind), Some(path)) => templates.push(CustomTemplate { api_group, kind, path }),
            // Fields that are given but invalid have been reported already.
            _ if given < 3 && is_map => {
                problems.note(&path, "needs apiGroup, kind and path, e.g. argoproj.io, Rollout, spec.template");
            }
            _ => {}
        }
    });
    templates
}

/// A group with a version, as in `apiVersion`, would match no request, so nothing would be checked.
fn is_group(text: &str, path: &Path<'_>, problems: &mut Problems) -> bool {
    let fits = !text.contains('/');
    if !fits {
        problems.note(path, "must be the group without a version, e.g. argoproj.io");
    }
    fits
}

fn is_template_path(text: &str, path: &Path<'_>, problems: &mut Problems) -> bool {
    let fits = text.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()));
    if !fits {
        problems.note(path, "must be field names joined by dots, e.g. spec.template");
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 2] = ["pod-automount", "role-arn"];

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        drop(Settings::read(&mut Cursor::new(text), &IDS, None, &mut problems));
        problems.into_lines()
    }

    #[test]
    fn empty_settings() {
        for text in ["null", "{}", r#"{"phase":null,"exemptions":[],"templates":"","description":"x"}"#] {
            let mut problems = Problems::default();
            let settings = Settings::read(&mut Cursor::new(text), &IDS, None, &mut problems);
            assert!(problems.is_empty());
            assert_eq!(settings.common.phase, Phase::Mutating);
            assert_eq!(settings.common.templates, Templates::Check);
            assert_eq!(settings.common.lookup, LookupMode::Optional);
            assert!(settings.common.exempts_namespace("kube-system"));
            assert!(!settings.common.exempts_namespace("kube-system-2"));
        }
    }

    #[test]
    fn reports_all_problems() {
        assert_eq!(
            problems(
                r#"{"phse":"validating","phase":"validate","templates":true,"serviceAccountLookup":false,
                "treatWarnAs":"of","exemptSystemNamespaces":"no","extraApiAudiences":["*",""],
                "customTemplates":[{"apiGroup":"argoproj.io","kind":"Rollout","path":"spec..template"},7,{"kid":"x"},
                {"apiGroup":"argoproj.io/v1alpha1","kind":"Rollout","path":"spec.template"},{"apiGroup":"a","kind":"b","pth":"c"}],
                "description":7,"rules":["pod-automount"]}"#
            ),
            [
                "phse: unknown setting `phse`; did you mean `phase`?",
                "phase: unknown value `validate`; did you mean `validating`?",
                "templates: must be one of check, ignore, fix, is a boolean",
                "treatWarnAs: unknown value `of`, must be one of warn, reject",
                "exemptSystemNamespaces: must be true or false, is a string",
                "extraApiAudiences[0]: matches every audience, so every token would be an API token",
                "extraApiAudiences[1]: is empty; remove it, or write what it is to match",
                "customTemplates[0].path: must be field names joined by dots, e.g. spec.template",
                "customTemplates[1]: must be a map, is a number",
                "customTemplates[2].kid: unknown key `kid`; did you mean `kind`?",
                "customTemplates[2]: needs apiGroup, kind and path, e.g. argoproj.io, Rollout, spec.template",
                "customTemplates[3].apiGroup: must be the group without a version, e.g. argoproj.io",
                "customTemplates[4].pth: unknown key `pth`; did you mean `path`?",
                "customTemplates[4]: needs apiGroup, kind and path, e.g. argoproj.io, Rollout, spec.template",
                "description: must be a string, is a number; write it in quotes",
                "rules: must be a map, is a list",
            ]
        );
        assert_eq!(problems("[1]"), ["settings: must be a map, is a list"]);
        assert_eq!(
            problems(r#"{"exemptions":[{"#),
            [
                "exemptions[0]: is broken JSON",
                "exemptions[0]: has no matcher, so it would exempt everything; name namespaces, serviceAccounts, names, kinds, users or groups",
                "exemptions: is broken JSON",
                "settings: is broken JSON"
            ]
        );
    }

    #[test]
    fn api_audiences() {
        let settings = Settings::read(
            &mut Cursor::new(r#"{"extraApiAudiences":["https://issuer.example/*"]}"#),
            &IDS,
            None,
            &mut Problems::default(),
        );
        for audience in [
            "",
            "api",
            "https://kubernetes.default.svc.cluster.local",
            "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC",
            "https://oidc-eks.eu-west-1.api.aws/id/ABC",
            "unknown",
            "https://eastus.oic.prod-aks.azure.com/5c9c0b1e-0000/7d1e0000/",
            "https://oidc.prod-aks.azure.com/7d1e0000-0000/",
            "https://shop-dns-1a2b3c4d.hcp.westeurope.azmk8s.io",
            "\"shop-dns-1a2b3c4d.hcp.westeurope.azmk8s.io\"",
            "kubernetes.svc.default",
            "gardener",
            "system:konnectivity-server",
            "https://issuer.example/x",
        ] {
            assert!(settings.common.is_api_audience(audience), "{audience}");
        }
        for audience in
            ["vault", "sts.amazonaws.com", "istio-ca", "api2", "https://issuer.example", "api://AzureADTokenExchange"]
        {
            assert!(!settings.common.is_api_audience(audience), "{audience}");
        }
    }
}
