// SPDX-License-Identifier: Apache-2.0
//! What a request is about, as far as rules are concerned.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, PodTemplate, ReplicationController, ServiceAccount};

use super::request::{Operation, Request};
use crate::settings::Common;

/// The kinds of subjects that rules judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A Pod, or the Pod template of a workload.
    Pod,
    /// A ServiceAccount.
    ServiceAccount,
}

/// The subject of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A Pod that is being made.
    Pod,
    /// A workload; the steps lead to its Pod template.
    Template(Vec<&'a str>),
    /// A ServiceAccount that is being made or changed.
    ServiceAccount,
}

/// The workloads of Kubernetes and where their Pod template is.
const WORKLOADS: [(&str, &str, &[&str]); 8] = [
    (Deployment::GROUP, Deployment::KIND, &["spec", "template"]),
    (ReplicaSet::GROUP, ReplicaSet::KIND, &["spec", "template"]),
    (StatefulSet::GROUP, StatefulSet::KIND, &["spec", "template"]),
    (DaemonSet::GROUP, DaemonSet::KIND, &["spec", "template"]),
    (Job::GROUP, Job::KIND, &["spec", "template"]),
    (CronJob::GROUP, CronJob::KIND, &["spec", "jobTemplate", "spec", "template"]),
    (ReplicationController::GROUP, ReplicationController::KIND, &["spec", "template"]),
    (PodTemplate::GROUP, PodTemplate::KIND, &["template"]),
];

impl<'a> Subject<'a> {
    /// The subject of a request; none when no rule could have a say.
    ///
    /// A Pod is judged when it is made: afterwards everything about its tokens
    /// is immutable.
    /// <https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement>
    #[must_use]
    pub fn of(request: &Request<'_>, common: &'a Common<'_>) -> Option<Self> {
        if !request.sub_resource().is_empty() {
            return None;
        }
        let (group, kind) = (request.group(), request.kind());
        match request.operation() {
            Operation::Create if (group, kind) == (Pod::GROUP, Pod::KIND) => Some(Self::Pod),
            Operation::Create | Operation::Update if (group, kind) == (ServiceAccount::GROUP, ServiceAccount::KIND) => {
                Some(Self::ServiceAccount)
            }
            Operation::Create | Operation::Update => template(group, kind, common).map(Self::Template),
            Operation::Other => None,
        }
    }

    /// The kind that rules declare.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Pod | Self::Template(_) => SubjectKind::Pod,
            Self::ServiceAccount => SubjectKind::ServiceAccount,
        }
    }

    /// Whether this is a workload.
    #[must_use]
    pub const fn is_template(&self) -> bool {
        matches!(self, Self::Template(_))
    }

    /// The steps from the object to what is judged.
    #[must_use]
    pub fn steps(&self) -> &[&'a str] {
        match self {
            Self::Pod | Self::ServiceAccount => &[],
            Self::Template(steps) => steps,
        }
    }
}

fn template<'a>(group: &str, kind: &str, common: &'a Common<'_>) -> Option<Vec<&'a str>> {
    let built_in = WORKLOADS.iter().find(|(g, k, _)| (*g, *k) == (group, kind));
    if let Some((_, _, steps)) = built_in {
        return Some(steps.to_vec());
    }
    let custom = common
        .custom_templates
        .iter()
        .find(|custom| (custom.api_group.as_str(), custom.kind.as_str()) == (group, kind))?;
    Some(custom.path.split('.').collect())
}
