// SPDX-License-Identifier: Apache-2.0
//! `workload-certificates`: a certificate that identifies a Pod comes from a
//! known signer, is short-lived, and is not that of `default`.
//!
//! A certificate names the Pod's ServiceAccount like a token does, and gives
//! access to whatever trusts its signer. The kubelet requests one for a
//! `podCertificate` source; CSI drivers request one for their volumes.
//! <https://kubernetes.io/docs/concepts/storage/projected-volumes/#podcertificate>
//! <https://github.com/kubernetes/enhancements/tree/master/keps/sig-auth/4317-pod-certificates>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::pod::{CsiVolume, PodCertificate, Volume};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "workload-certificates",
    summary: Doc::new("limits the signers and the lifetime of certificates that identify a Pod"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&SIGNERS, &MAX_SECONDS, &USER_ANNOTATIONS, &DRIVERS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::REJECT,
};

static SIGNERS: Param = Param {
    name: "signers",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("allowed signers, and names of allowed CSI drivers; if empty, all are allowed"),
};
static MAX_SECONDS: Param = Param {
    name: "maxSeconds",
    kind: Kind::Seconds { least: LEAST_SECONDS, most: MOST_SECONDS },
    default: "86400",
    doc: Doc::new("maximum lifetime that a `podCertificate` source can request"),
};
static USER_ANNOTATIONS: Param = Param {
    name: "userAnnotations",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("keys that `userAnnotations` can have; if empty, any key is allowed"),
};
static DRIVERS: Param = Param {
    name: "drivers",
    kind: Kind::Globs(validate_pattern),
    default: r#"["csi.spiffe.io", "podcertificate.gke.io", "csi.cert-manager.io", "spiffe.csi.cert-manager.io"]"#,
    doc: Doc::new("CSI drivers whose volumes identify the Pod"),
};

/// What the API server accepts.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go>
const LEAST_SECONDS: i64 = 3600;
const MOST_SECONDS: i64 = 91 * 24 * 3600;

/// The API server's default.
const DEFAULT_SECONDS: i64 = 24 * 3600;

messages! {
    DEFAULT:
        "identifies the Pod as ServiceAccount default, like every Pod that names no account",
        help: "use a dedicated ServiceAccount";
    SIGNER: "`{}` is not one of the allowed signers: {}";
    TOO_LONG: "is {}, but the maximum is {}", help: "certificates are renewed before they expire";
    UNSET: "is not set, which means 86400, but the maximum is {}", help: "set it";
    ANNOTATION: "key `{}` is not one of the allowed ones: {}";
}

pub(super) struct WorkloadCertificates<'a> {
    signers: Vec<Glob<'a>>,
    max_seconds: i64,
    user_annotations: Vec<Glob<'a>>,
    drivers: Vec<Glob<'a>>,
}

impl<'a> WorkloadCertificates<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self {
            signers: params.globs(&SIGNERS),
            max_seconds: params.seconds(&MAX_SECONDS),
            user_annotations: params.globs(&USER_ANNOTATIONS),
            drivers: params.globs(&DRIVERS),
        }
    }
}

impl Check for WorkloadCertificates<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        for (index, volume) in workload.spec.volumes.iter().enumerate() {
            let path = || workload.volume_path(index, volume);
            if volume.csi.text().is_some() {
                let path = path().field("csi");
                let csi: CsiVolume<'_> = volume.csi.read_at(&|| object_path(&path))?;
                let driver = csi.driver.as_deref().unwrap_or_default();
                if glob::any(&self.drivers, driver) {
                    self.check_identity(workload, driver, &path, "driver", findings);
                }
            }
            self.check_sources(workload, volume, &path, findings)?;
        }
        Ok(())
    }
}

impl WorkloadCertificates<'_> {
    fn check_sources(
        &self,
        workload: &Workload<'_>,
        volume: &Volume<'_>,
        volume_path: &dyn Fn() -> FieldPath,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let sources = volume.projected.iter().flat_map(|projected| &projected.sources).enumerate();
        for (position, source) in sources.filter(|(_, source)| source.certificate.text().is_some()) {
            let path = volume_path().field("projected.sources").entry(None, position).field("podCertificate");
            let certificate: PodCertificate<'_> = source.certificate.read_at(&|| object_path(&path))?;
            let signer = certificate.signer.as_deref().unwrap_or_default();
            self.check_identity(workload, signer, &path, "signerName", findings);
            let (seconds_path, most) = (path.field("maxExpirationSeconds"), self.max_seconds.to_string());
            match certificate.max_seconds {
                Some(seconds) if seconds > self.max_seconds => {
                    findings.add(seconds_path, &TOO_LONG, &[&seconds.to_string(), &most]);
                }
                None if DEFAULT_SECONDS > self.max_seconds => findings.add(seconds_path, &UNSET, &[&most]),
                _ => {}
            }
            for (key, _) in certificate.user_annotations.iter() {
                if !self.user_annotations.is_empty() && !glob::any(&self.user_annotations, key) {
                    let values = [key, &glob::listed(&self.user_annotations)];
                    findings.add(path.field("userAnnotations"), &ANNOTATION, &values);
                }
            }
        }
        Ok(())
    }

    /// The checks that a source and a driver's volume have in common.
    fn check_identity(
        &self,
        workload: &Workload<'_>,
        signer: &str,
        path: &FieldPath,
        field: &str,
        findings: &mut Findings,
    ) {
        if workload.is_default_account() {
            findings.add(path.clone(), &DEFAULT, &[]);
        }
        if !self.signers.is_empty() && !glob::any(&self.signers, signer) {
            findings.add(path.field(field), &SIGNER, &[signer, &glob::listed(&self.signers)]);
        }
    }
}

#[cfg(test)]
mod tests;
