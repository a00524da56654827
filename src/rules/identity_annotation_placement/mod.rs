// SPDX-License-Identifier: Apache-2.0
//! `identity-annotation-placement`: a key of a cloud identity is on an object
//! where it is read.
//!
//! A role on a Pod gives no role, and `skip-containers` on a ServiceAccount
//! keeps no container from having it. Nothing says so.
//! <https://github.com/onyx-dot-app/onyx/pull/11788>
//! <https://github.com/crossplane-contrib/provider-aws/issues/1467>

use super::{Ability, Check, Rule};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::finding::{Findings, MaxSeverity, MessageTemplate};
use crate::engine::context::{Annotation, ReviewError, RuleContext, Workload};
use crate::fast::names::Names;
use crate::identity::key::{self, On, Reading, SKIP_CONTAINERS, USE_LABEL};
use crate::identity::skip_list;
use crate::object::pod::ContainerList;
use crate::object::view::Strings;
use crate::settings::Phase;
use crate::settings::action::CheckAction;
use crate::settings::dns;
use crate::settings::params::{Kind, Param, Params, for_people};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-annotation-placement",
    summary: for_people("annotations of a cloud identity are on objects where something reads them"),
    subjects: &[SubjectKind::Pod, SubjectKind::ServiceAccount],
    params: &PARAMS,
    messages: &[&ON_POD, &ON_ACCOUNT, &NO_ANNOTATION, &LABEL_ON_ACCOUNT, &UNREADABLE, &NO_NAME, &UNMATCHED],
    ability: Ability::Check { default: CheckAction::Reject },
};

static PARAMS: [Param; 1] = [Param {
    name: "unmatchedSkip",
    kind: Kind::Choice(&["warn", "reject"]),
    default: r#""warn""#,
    doc: for_people("what an entry of `skip-containers` that skips no container leads to"),
}];

static ON_POD: MessageTemplate = MessageTemplate {
    name: "on-pod",
    template: "has no effect on a Pod: it is read from the Pod's account; move it to ServiceAccount {}",
};
static ON_ACCOUNT: MessageTemplate = MessageTemplate {
    name: "on-account",
    template: "has no effect on a ServiceAccount: it is read from Pods; move it to the metadata of their template",
};
static NO_ANNOTATION: MessageTemplate = MessageTemplate {
    name: "no-annotation",
    template: "has no effect as an annotation: it is a label of Pods; move it there",
};
static LABEL_ON_ACCOUNT: MessageTemplate = MessageTemplate {
    name: "label-on-account",
    template: "has no effect on a ServiceAccount: the webhook looks for this label on Pods; move it to the metadata of their template",
};
static UNREADABLE: MessageTemplate = MessageTemplate {
    name: "unreadable",
    template: "is \"{}\", no list that the webhook can read, so no container is skipped and all get the role; write names with commas between them",
};
static NO_NAME: MessageTemplate = MessageTemplate {
    name: "no-name",
    template: "has \"{}\", which no container can be called, so it skips none; write names with nothing but a comma between them",
};
static UNMATCHED: MessageTemplate = MessageTemplate {
    name: "unmatched",
    template: "has \"{}\", which no container of the Pod is called, so it skips none; write a name there is, or remove it",
};

pub(super) struct IdentityAnnotationPlacement {
    unmatched: MaxSeverity,
}

impl IdentityAnnotationPlacement {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        let is_rejected = params.choice(&PARAMS[0]) == "reject";
        Self { unmatched: if is_rejected { MaxSeverity::Action } else { MaxSeverity::Warning } }
    }

    /// What the webhook reads in a list of containers to be skipped.
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
            findings.note(context.path_of(annotation), &UNREADABLE, &[&list], self.unmatched);
            return Ok(());
        };
        // Only then every container is there that other webhooks add.
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
            findings.note(context.path_of(annotation), message, &[name], self.unmatched);
        }
        Ok(())
    }
}

impl Check for IdentityAnnotationPlacement {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let aws_prefix = context.common.aws.annotation_prefix.as_str();
        for annotation in context.identity_annotations()? {
            let path = || context.path_of(annotation);
            let severity = context.spared_on_pods(MaxSeverity::Action);
            match (&annotation.reading, context.workload()) {
                (Reading::Label, _) => findings.warn(path(), &NO_ANNOTATION, &[]),
                (Reading::Known(known), Some(pod)) if known.on == On::Account => {
                    findings.note(path(), &ON_POD, &[pod.spec.account()], severity);
                }
                (Reading::Known(known), None) if known.on == On::Pod => {
                    findings.note(path(), &ON_ACCOUNT, &[], severity);
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
