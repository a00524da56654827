// SPDX-License-Identifier: Apache-2.0
//! `identity-annotations`: the options of an AWS identity have values that the
//! EKS Pod identity webhook accepts.
//!
//! The webhook skips a value that it cannot read and uses its flag instead,
//! with a log message that users of EKS do not see. It raises a lifetime that
//! is too short, has no maximum, and uses an empty audience literally.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/cache/cache.go>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/110>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{Annotation, Edit, ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::identity::key::{self, AUDIENCE, ROLE_ARN, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::edit::Step;
use crate::object::json::write_string;
use crate::rules::shared::cloud::boolean;
use crate::settings::Common;
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-annotations",
    summary: Doc::new("requires AWS identity options to have values that the EKS Pod identity webhook accepts"),
    subjects: &[SubjectKind::ServiceAccount, SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&AUDIENCES, &MAX_TOKEN_EXPIRATION_SECONDS, &OPTIONS_WITHOUT_ROLE, &DEFAULTS],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Check(CheckAction::Reject) },
    restricted: Restricted::MUTATE,
};

/// The webhook raises a shorter lifetime to this.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/validation.go>
const LEAST_SECONDS: i64 = 600;

/// The API server accepts no longer lifetime.
const MOST_SECONDS: i64 = 4_294_967_296;

static AUDIENCES: Param = Param {
    name: "audiences",
    kind: Kind::Globs(validate_pattern),
    default: r#"["sts.amazonaws.com"]"#,
    doc: Doc::new(
        "audiences that a ServiceAccount can request, in addition to the webhook's default (`aws.defaultAudience`); wildcards do not match an audience of the Kubernetes API, which must be listed in full",
    ),
};
static MAX_TOKEN_EXPIRATION_SECONDS: Param = Param {
    name: "maxTokenExpirationSeconds",
    kind: Kind::Seconds { least: LEAST_SECONDS, most: MOST_SECONDS },
    default: "86400",
    doc: Doc::new("maximum token lifetime; also applies to `irsa-injection`"),
};
static OPTIONS_WITHOUT_ROLE: Param = Param {
    name: "optionsWithoutRole",
    kind: Kind::Choice(MaxSeverity::WORDS),
    default: r#""warn""#,
    doc: Doc::new(
        "action for options on a ServiceAccount without a `role-arn`; some of them have an effect with EKS Pod Identity",
    ),
};
static DEFAULTS: Param = Param {
    name: "defaults",
    kind: Kind::Map(DEFAULT_FIELDS),
    default: "{}",
    doc: Doc::new(
        "with `action: mutate`, options added to a ServiceAccount that has a `role-arn` and does not set them",
    ),
};

static DEFAULT_AUDIENCE: Param = Param {
    name: "audience",
    kind: Kind::Text(default_problem),
    default: r#""""#,
    doc: Doc::new("audience; if empty, nothing is added"),
};
static DEFAULT_STS_REGIONAL_ENDPOINTS: Param = Param {
    name: "stsRegionalEndpoints",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether the SDK calls the regional STS endpoint; added only if set"),
};
static DEFAULT_TOKEN_EXPIRATION_SECONDS: Param = Param {
    name: "tokenExpirationSeconds",
    kind: Kind::Seconds { least: LEAST_SECONDS, most: MOST_SECONDS },
    default: "86400",
    doc: Doc::new("token lifetime; added only if set"),
};

static DEFAULT_FIELDS: &[&Param] =
    &[&DEFAULT_AUDIENCE, &DEFAULT_STS_REGIONAL_ENDPOINTS, &DEFAULT_TOKEN_EXPIRATION_SECONDS];

messages! {
    EMPTY_AUDIENCE:
        "is empty, which overrides the webhook's default and makes the token valid for the Kubernetes API",
        help: "write `{}`, or remove it";
    API_AUDIENCE: "`{}` is an audience of the Kubernetes API, not of STS", help: "write `{}`, or remove it";
    OTHER_AUDIENCE: "`{}` is not an allowed audience", help: "write one of {}";
    NO_NUMBER:
        "is `{}`, which is not a whole number, so the webhook ignores it",
        help: "write seconds without a unit, e.g. \"3600\"";
    TOO_SHORT: "is {}, which the webhook raises to 600", help: "write at least 600";
    TOO_LONG: "is {}, but at most {} is allowed", help: "the kubelet renews the token before it expires";
    NO_BOOLEAN: "is `{}`, which is not a boolean that the webhook accepts, so the webhook ignores it", help: "write {}";
    WITHOUT_ROLE:
        "has no effect without {}, unless EKS Pod Identity gives the account a role",
        help: "add the role, or remove it";
    LOWERED: "lowered from {} to {}";
    ADDED: "added: {}";
}

const ANNOTATIONS: [Step<'static>; 2] = [Step::Key("metadata"), Step::Key("annotations")];

/// The maximum lifetime, for the rule that injects tokens. It applies even if
/// this rule is off.
#[must_use]
pub fn longest_lifetime(context: &RuleContext<'_>) -> i64 {
    RULE.with_params(context, |params| params.seconds(&MAX_TOKEN_EXPIRATION_SECONDS))
}

pub(super) struct IdentityAnnotations<'a> {
    audiences: Vec<Glob<'a>>,
    most: i64,
    without_role: Option<MaxSeverity>,
    /// Suffix and value.
    defaults: Vec<(&'static str, String)>,
}

impl<'a> IdentityAnnotations<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let mut rule = Self {
            audiences: params.globs(&AUDIENCES),
            most: params.seconds(&MAX_TOKEN_EXPIRATION_SECONDS),
            without_role: MaxSeverity::chosen(params.choice(&OPTIONS_WITHOUT_ROLE)),
            defaults: Vec::new(),
        };
        params.map(&DEFAULTS, &mut |params| rule.read_defaults(params));
        rule
    }

    /// A default that this rule itself would reject is a problem.
    fn read_defaults(&mut self, params: &mut Params<'_, 'a>) {
        if params.gives(&DEFAULT_AUDIENCE) {
            let text = params.text(&DEFAULT_AUDIENCE);
            if !text.is_empty() && !self.allows(&text, params.common) {
                params.note(&DEFAULT_AUDIENCE, "is not in audiences; add it there");
            }
            self.defaults.push((AUDIENCE, text.to_string()));
        }
        if params.gives(&DEFAULT_STS_REGIONAL_ENDPOINTS) {
            self.defaults.push((
                STS_REGIONAL_ENDPOINTS,
                if params.flag(&DEFAULT_STS_REGIONAL_ENDPOINTS) { "true" } else { "false" }.to_owned(),
            ));
        }
        if params.gives(&DEFAULT_TOKEN_EXPIRATION_SECONDS) {
            let number = params.seconds(&DEFAULT_TOKEN_EXPIRATION_SECONDS);
            if number > self.most {
                params.note(&DEFAULT_TOKEN_EXPIRATION_SECONDS, "is more than maxTokenExpirationSeconds");
            }
            self.defaults.push((TOKEN_EXPIRATION, number.to_string()));
        }
    }

    /// No wildcard allows an audience of the Kubernetes API.
    fn allows(&self, audience: &str, common: &Common<'_>) -> bool {
        if common.is_api_audience(audience) {
            return self.audiences.iter().any(|allowed| allowed.as_str() == audience);
        }
        audience == common.aws.default_audience.as_str() || glob::any(&self.audiences, audience)
    }

    /// What is wrong with a value, if anything.
    fn check_value(
        &self,
        context: &RuleContext<'_>,
        annotation: &Annotation,
        (suffix, value): (&str, &str),
        findings: &mut Findings,
    ) {
        let common = context.common;
        let default = common.aws.default_audience.as_str();
        let allowed;
        let (message, values): (_, &[&str]) = match suffix {
            AUDIENCE if value.is_empty() => (&EMPTY_AUDIENCE, &[default]),
            AUDIENCE if self.allows(value, common) => return,
            AUDIENCE if common.is_api_audience(value) => (&API_AUDIENCE, &[value, default]),
            AUDIENCE => {
                allowed = glob::listed(&self.audiences);
                (&OTHER_AUDIENCE, &[value, &allowed])
            }
            STS_REGIONAL_ENDPOINTS if boolean(value).is_some() => return,
            STS_REGIONAL_ENDPOINTS => (&NO_BOOLEAN, &[value, meant_boolean(value)]),
            _ => match seconds(value) {
                None => (&NO_NUMBER, &[value]),
                Some(..LEAST_SECONDS) => (&TOO_SHORT, &[value]),
                Some(number) if number > self.most => {
                    allowed = self.most.to_string();
                    (&TOO_LONG, &[value, &allowed])
                }
                Some(_) => return,
            },
        };
        findings.add(context.path_of(annotation), message, values);
    }
}

/// What the webhook reads an annotation as on this object: the role of an
/// account, or an option.
fn option<'c>(context: &RuleContext<'_>, annotation: &'c Annotation) -> Option<&'c str> {
    let is_pod = context.workload().is_some();
    match key::suffix(&annotation.key, &context.common.aws.annotation_prefix)? {
        ROLE_ARN | AUDIENCE | STS_REGIONAL_ENDPOINTS if is_pod => None,
        suffix @ (ROLE_ARN | AUDIENCE | STS_REGIONAL_ENDPOINTS | TOKEN_EXPIRATION) => Some(suffix),
        _ => None,
    }
}

impl Check for IdentityAnnotations<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let mut has_role = context.service_account().is_none();
        let mut options = Vec::new();
        for annotation in context.identity_annotations()? {
            match option(context, annotation) {
                None => {}
                Some(ROLE_ARN) => has_role = true,
                Some(suffix) => {
                    self.check_value(context, annotation, (suffix, &context.text_of(annotation)?), findings);
                    options.push(context.path_of(annotation));
                }
            }
        }
        if let (false, Some(severity)) = (has_role, self.without_role) {
            let role = [context.common.aws.annotation_prefix.as_str(), "/", ROLE_ARN].concat();
            for path in options {
                findings.push(path, Message::new(&WITHOUT_ROLE, &[&role]), severity);
            }
        }
        Ok(())
    }
}

impl Fix for IdentityAnnotations<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let mut has_role = false;
        let mut reported = Vec::new();
        for annotation in context.identity_annotations()? {
            let Some(suffix) = option(context, annotation) else { continue };
            let value = context.text_of(annotation)?;
            if suffix == ROLE_ARN {
                has_role = !value.is_empty();
            } else if suffix == TOKEN_EXPIRATION && seconds(&value).is_some_and(|number| number > self.most) {
                let most = self.most.to_string();
                set(edit, &annotation.key, &most)?;
                changes.add(context.path_of(annotation), &LOWERED, &[&value, &most]);
            }
            reported.push(suffix);
        }
        for (suffix, value) in &self.defaults {
            if has_role && !reported.contains(suffix) {
                let key = [context.common.aws.annotation_prefix.as_str(), "/", suffix].concat();
                set(edit, &key, value)?;
                changes.add(context.annotations_path().key(&key), &ADDED, &[value]);
            }
        }
        Ok(())
    }
}

/// Writes an annotation; no other fix removes annotations.
#[inline(never)]
fn set(edit: &mut Edit<'_, '_>, key: &str, value: &str) -> Result<(), ReviewError> {
    let mut json = String::new();
    write_string(value, &mut json);
    edit.set(&ANNOTATIONS, key, &json)?;
    Ok(())
}

/// A lifetime as Go's `strconv.ParseInt` reads it in base 10: a sign is
/// allowed, blanks, units and fractions are not. Rust reads it the same.
/// <https://pkg.go.dev/strconv#ParseInt>
fn seconds(value: &str) -> Option<i64> {
    value.parse().ok()
}

/// What to write instead. `regional` and `legacy` are the values of the
/// variable that the webhook sets, `AWS_STS_REGIONAL_ENDPOINTS`.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html>
#[cold]
fn meant_boolean(value: &str) -> &'static str {
    let word = value.trim_ascii().to_ascii_lowercase();
    if is_one_of(&word, &["regional", "true", "yes", "on", "enabled"]) {
        "\"true\""
    } else if is_one_of(&word, &["legacy", "false", "no", "off", "disabled"]) {
        "\"false\""
    } else {
        "\"true\" or \"false\""
    }
}

#[inline(never)]
fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.contains(&word)
}

fn default_problem(text: &str) -> Option<String> {
    if text.is_empty() { None } else { validate_pattern(text) }
}

#[cfg(test)]
mod tests;
