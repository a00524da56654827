// SPDX-License-Identifier: Apache-2.0
//! `identity-annotation-placement`: the key of a cloud identity is on an object
//! where it is read.
//!
//! A role on a Pod has no effect, and `skip-containers` on a ServiceAccount
//! skips no container. Neither causes an error.
//! <https://github.com/onyx-dot-app/onyx/pull/11788>
//! <https://github.com/crossplane-contrib/provider-aws/issues/1467>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{Annotation, ReviewError, RuleContext, Workload};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::identity::key::{self, On, Reading, SKIP_CONTAINERS, USE_LABEL};
use crate::identity::skip_list;
use crate::matching::dns;
use crate::messages;
use crate::object::pod::ContainerList;
use crate::object::view::Strings;
use crate::settings::Phase;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-annotation-placement",
    summary: Doc::new("requires cloud identity annotations to be on objects where they are read"),
    subjects: &[SubjectKind::ServiceAccount, SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&UNMATCHED_SKIP],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static UNMATCHED_SKIP: Param = Param {
    name: "unmatchedSkip",
    kind: Kind::Choice(&["warn", "reject"]),
    default: r#""warn""#,
    doc: Doc::new("action for a `skip-containers` entry that skips no container"),
};

messages! {
    ON_POD: "has no effect on a Pod: it is read from the Pod's ServiceAccount", help: "move it to ServiceAccount `{}`";
    ON_ACCOUNT:
        "has no effect on a ServiceAccount: it is read from Pods",
        help: "move it to the metadata of their template";
    NO_ANNOTATION: "has no effect as an annotation: it is a label of Pods", help: "move it to the labels of the Pod";
    LABEL_ON_ACCOUNT:
        "has no effect on a ServiceAccount: the webhook looks for this label on Pods",
        help: "move it to the metadata of their template";
    UNREADABLE:
        "is `{}`, which the webhook cannot read as a list, so no container is skipped and all get the role",
        help: "separate the names with commas";
    NO_NAME:
        "has `{}`, which is not a valid container name, so it skips none",
        help: "separate the names with commas, without spaces";
    UNMATCHED:
        "has `{}`, but no container of the Pod has this name, so it skips none",
        help: "write the name of a container, or remove it";
}

pub(super) struct IdentityAnnotationPlacement {
    unmatched: MaxSeverity,
}

impl IdentityAnnotationPlacement {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        let is_rejected = params.choice(&UNMATCHED_SKIP) == "reject";
        Self { unmatched: if is_rejected { MaxSeverity::Action } else { MaxSeverity::Warning } }
    }

    /// Checks what the webhook reads in a list of containers to skip.
    #[cold]
    fn check_skips(
        &self,
        context: &RuleContext<'_>,
        pod: &Workload<'_>,
        annotation: &Annotation,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let list = context.text_of(annotation)?;
        let Some(skipped) = skip_list::names(&list) else {
            findings.push(context.path_of(annotation), Message::new(&UNREADABLE, &[&list]), self.unmatched);
            return Ok(());
        };
        // Only then are all containers present that other webhooks add.
        let is_complete = context.common.phase == Phase::Validating && !pod.is_template;
        let mut names = Vec::new();
        for (list, index, container) in pod.spec.all_containers() {
            if list != ContainerList::Ephemeral {
                names.extend(container.name.as_deref().map(|name| (name, index)));
            }
        }
        let names = Names::from(names);
        for name in &skipped {
            let message = if !dns::is_label(name) {
                &NO_NAME
            } else if is_complete && !names.has(name) {
                &UNMATCHED
            } else {
                continue;
            };
            findings.push(context.path_of(annotation), Message::new(message, &[name]), self.unmatched);
        }
        Ok(())
    }
}

impl Check for IdentityAnnotationPlacement {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let aws_prefix = context.common.aws.annotation_prefix.as_str();
        for annotation in context.identity_annotations()? {
            let path = || context.path_of(annotation);
            let severity = context.limited_on_pods(MaxSeverity::Action);
            match (&annotation.reading, context.workload()) {
                (Reading::Label, _) => findings.warn(path(), &NO_ANNOTATION, &[]),
                (Reading::Known(known), Some(pod)) if known.on == On::Account => {
                    findings.push(path(), Message::new(&ON_POD, &[pod.spec.account()]), severity);
                }
                (Reading::Known(known), None) if known.on == On::Pod => {
                    findings.push(path(), Message::new(&ON_ACCOUNT, &[]), severity);
                }
                (_, Some(pod)) if key::suffix(&annotation.key, aws_prefix) == Some(SKIP_CONTAINERS) => {
                    self.check_skips(context, pod, annotation, findings)?;
                }
                _ => {}
            }
        }
        let labels = context.meta.labels;
        if context.service_account().is_some() && labels.may_hold(USE_LABEL) {
            let labels: Strings<'_> = labels.read("object.metadata.labels")?;
            if labels.text(USE_LABEL).is_some() {
                findings.warn(FieldPath::at("metadata.labels").key(USE_LABEL), &LABEL_ON_ACCOUNT, &[]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
