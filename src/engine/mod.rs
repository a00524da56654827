// SPDX-License-Identifier: Apache-2.0
//! One review: envelope → exemptions → object → fixes → findings → verdict.

mod conclusion;
pub mod context;
mod edit;
pub mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod exempt;
pub mod lookup;
pub mod plan;
pub mod rule;
mod summary;
mod target;

use std::cell::OnceCell;

use crate::admission::payload::Payload;
use crate::admission::request::{Operation, Request};
use crate::admission::response::POLICY;
use crate::admission::subject::Subject;
use crate::admission::verdict::{Code, Verdict};
use crate::cluster::Cluster;
use crate::diagnostic::findings::{Changes, Finding, Findings};
use crate::diagnostic::severity::MaxSeverity;
use crate::diagnostic::{Diagnostic, rendered};
use crate::fast::names::Names;
use crate::object::edit::Node;
use crate::object::json::Cursor;
use crate::object::kinds::JOB;
use crate::object::meta::{Head, MIRROR_POD, Meta};
use crate::object::pod::Pod;
use crate::object::view::{self, Raw, ReadError, Strings};
use crate::settings::reader::Problems;
use crate::settings::{Common, Phase, Settings, Templates, TreatWarnAs};
use conclusion::Conclusion;
pub use conclusion::Sink;
use context::{Edit, OBJECT, RuleContext, Target};
use error::ReviewError;
use lookup::Lookup;
use plan::{Level, Planned};
use rule::{Fix, Registry};

/// Reviews a payload of the host's `validate` call.
#[must_use]
pub fn review<R: Registry>(registry: R, payload: &[u8], cluster: &dyn Cluster, sink: Sink<'_>) -> Verdict {
    let Ok(text) = std::str::from_utf8(payload) else {
        return Verdict::rejected(Code::BadRequest, format!("{POLICY}: the request is not UTF-8"));
    };
    let rule_ids = registry.ids();
    let Payload { mut request, settings, mut problems, .. } = match Payload::read(text, &rule_ids) {
        Ok(payload) => payload,
        Err(error) => return unreadable(&error),
    };
    let pod = request.as_mut().and_then(|request| request.object.pod.take());
    let Some(request) = &request else {
        let error = ReadError::Kind { path: "request".to_owned(), wanted: "an object", found: "absent" };
        return unreadable(&error);
    };
    let Some(subject) = Subject::of(request, &settings.common) else { return Verdict::default() };
    let rules = plan::plan(registry, &settings, subject.kind(), &mut problems);
    if !problems.is_empty() {
        return Verdict::rejected(Code::BadRequest, settings_message(problems));
    }
    let lookup = Lookup::new(cluster, &settings.common, request.namespace());
    let review = Review { request, settings: &settings, subject: &subject, lookup: &lookup };
    let mut verdict = match review.conclusion(rules, pod) {
        Ok(conclusion) => {
            conclusion.each_diagnostic(sink);
            conclusion.into_verdict()
        }
        Err(error) => rejected_for(&error),
    };
    if let Some(account) = lookup.failed_account() {
        verdict
            .warnings
            .push(format!("{POLICY}: ServiceAccount `{}/{account}` could not be looked up", request.namespace()));
    }
    if lookup.is_not_granted() {
        verdict.audit.push(("lookup", "not-granted".to_owned()));
    }
    if lookup.is_review_not_granted() {
        verdict.audit.push(("permission-lookup", "not-granted".to_owned()));
    }
    verdict
}

/// Every problem with the settings; `None` if there is none.
#[must_use]
pub fn settings_problem<R: Registry>(registry: R, payload: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(payload) else { return Some(format!("{POLICY}: the settings are not UTF-8")) };
    if let Err(error @ ReadError::Broken { .. }) = view::read::<view::Raw<'_>>(text, "settings") {
        return Some(format!("{POLICY}: the settings are {error}"));
    }
    let mut problems = Problems::default();
    let settings = Settings::read(&mut Cursor::new(text), &registry.ids(), None, &mut problems);
    plan::read_all(registry, &settings, &mut problems);
    (!problems.is_empty()).then(|| settings_message(problems))
}

fn settings_message(problems: Problems) -> String {
    let lines = problems.into_lines();
    summary::message("in the settings", &lines.iter().map(String::as_str).collect::<Vec<_>>(), usize::MAX)
}

fn unreadable(error: &ReadError) -> Verdict {
    Verdict::rejected(Code::BadRequest, format!("{POLICY}: the request cannot be read: {error}"))
}

fn rejected_for(error: &ReviewError) -> Verdict {
    match error {
        ReviewError::ReadError(error) => unreadable(error),
        ReviewError::CannotChange => {
            Verdict::rejected(Code::BadRequest, format!("{POLICY}: the object lacks a field that a fix changes"))
        }
        // Cannot happen: after a refresh, no record is stale.
        ReviewError::Stale => {
            Verdict::rejected(Code::Unavailable, format!("{POLICY}: the account could not be looked up; try again"))
        }
        ReviewError::LookupFailed { account } => Verdict::rejected(
            Code::Unavailable,
            format!("{POLICY}: ServiceAccount `{account}` could not be looked up; try again"),
        ),
        ReviewError::ReviewFailed { account } => Verdict::rejected(
            Code::Unavailable,
            format!("{POLICY}: the permissions of ServiceAccount `{account}` could not be looked up; try again"),
        ),
        ReviewError::ReviewNotGranted => Verdict::rejected(
            Code::Forbidden,
            format!(
                "{POLICY}: permissionLookup is required, but looking up permissions is not granted; grant the policy the host capability kubernetes/can_i and let the policy server create subjectaccessreviews"
            ),
        ),
        ReviewError::LookupNotGranted => Verdict::rejected(
            Code::Forbidden,
            format!(
                "{POLICY}: serviceAccountLookup is required, but looking up ServiceAccounts is not granted; add v1/ServiceAccount to the policy's contextAwareResources and let the policy server get serviceaccounts"
            ),
        ),
    }
}

/// A request under review.
struct Review<'s> {
    request: &'s Request<'s>,
    settings: &'s Settings<'s>,
    subject: &'s Subject<'s>,
    lookup: &'s Lookup<'s>,
}

/// The result of applying the rules to one object.
#[derive(Default)]
struct Evaluation {
    /// The fixed object, if fixes changed it.
    fixed: Option<String>,
    /// What the fixes changed.
    changes: Vec<Diagnostic>,
    /// What is wrong with the object after the fixes.
    findings: Vec<(Level, Finding)>,
}

impl Evaluation {
    /// The conclusion. `old` are the findings for the object that an UPDATE replaces.
    fn conclude(self, common: &Common<'_>, old: &[Diagnostic], fixing: Fixing) -> Conclusion {
        let mut rejections = Vec::new();
        let mut warnings = Vec::new();
        let known = rendered(old.iter(), Diagnostic::push_identity);
        let known = Names::of(known.iter().map(String::as_str));
        let mut identity = String::new();
        let mut is_known = |diagnostic: &Diagnostic| {
            identity.clear();
            diagnostic.push_identity(&mut identity);
            known.has(&identity)
        };
        for (level, finding) in self.findings {
            let strict = common.treat_warn_as == TreatWarnAs::Reject;
            let rejects = match finding.severity {
                MaxSeverity::Action => level == Level::Reject || strict,
                MaxSeverity::Warning => strict,
                MaxSeverity::Notice => false,
            };
            if rejects && (old.is_empty() || !is_known(&finding.diagnostic)) {
                rejections.push(finding.diagnostic);
            } else {
                warnings.push(finding.diagnostic);
            }
        }
        let (changes, pod_changes) = match fixing {
            Fixing::Object if rejections.is_empty() => (self.changes, Vec::new()),
            Fixing::DryRun => (Vec::new(), self.changes),
            Fixing::Object | Fixing::No => (Vec::new(), Vec::new()),
        };
        Conclusion { rejections, warnings, changes, pod_changes, fixed: self.fixed }
    }
}

/// The order in which rules change an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Add what another webhook would add.
    Inject,
    /// Fix what is wrong.
    Fix,
}

impl Step {
    const ALL: &'static [Self] = &[Self::Inject, Self::Fix];
}

/// What fixes are applied to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fixing {
    /// The object itself.
    Object,
    /// A copy, only to predict the Pods that the template creates.
    DryRun,
    /// Nothing.
    No,
}

impl Review<'_> {
    fn conclusion<'t, R: Fix>(
        &'t self,
        mut rules: Vec<Planned<R>>,
        pod: Option<Pod<'t>>,
    ) -> Result<Conclusion, ReviewError> {
        let (request, common) = (self.request, &self.settings.common);
        let ignored = self.subject.is_template() && common.templates == Templates::Ignore;
        if ignored || common.exempts_namespace(request.namespace()) {
            return Ok(Conclusion::default());
        }
        let envelope = request.envelope();
        let mut exemptions: Vec<_> =
            common.exemptions.iter().filter(|exemption| exemption.matches_envelope(envelope)).collect();
        rules.retain(|planned| {
            !exemptions.iter().any(|exemption| !exemption.needs_object() && exemption.covers(planned.rule.id))
        });
        if rules.is_empty() {
            return Ok(Conclusion::default());
        }

        let Some(object) = request.object.raw.text() else {
            return Err(ReadError::Kind { path: OBJECT.to_owned(), wanted: "an object", found: "null" }.into());
        };
        let (meta, target) = match Target::read(self.subject, object, pod, request.old_object) {
            Ok(read) => read,
            // It must be possible to remove the finalizer of an object that cannot be read.
            Err(_) if self.skips_unread(object) => return Ok(Conclusion::default()),
            Err(error) => return Err(error.into()),
        };
        let Some(target) = target else { return Ok(Conclusion::default()) };
        if self.skips(&meta)? {
            return Ok(Conclusion::default());
        }
        exemptions.retain(|exemption| exemption.needs_object());
        if !exemptions.is_empty() {
            let context = self.context(&meta, &target);
            let (name, accounts) = (context.name_pattern(), context.accounts());
            exemptions.retain(|exemption| exemption.matches_object(&name, &accounts));
            rules.retain(|planned| !exemptions.iter().any(|exemption| exemption.covers(planned.rule.id)));
        }

        let fixing = self.fixing(object)?;
        let conclusion = self.evaluate_account(&rules, object, (&meta, &target), fixing);
        // What was acceptable a few seconds ago is accepted. Any other conclusion
        // must be based on the account as it is now.
        let is_acceptance = conclusion.as_ref().is_ok_and(Conclusion::is_acceptance);
        if is_acceptance || !self.lookup.may_be_stale() {
            return conclusion;
        }
        self.lookup.refresh();
        self.evaluate_account(&rules, object, (&meta, &target), fixing)
    }

    /// The conclusion, given what is known of the account.
    fn evaluate_account<'t>(
        &self,
        rules: &[Planned<impl Fix>],
        object: &'t str,
        (meta, target): (&Meta<'t>, &Target<'t>),
        fixing: Fixing,
    ) -> Result<Conclusion, ReviewError> {
        let evaluation = self.evaluation(rules, object, (meta, target), fixing)?;
        let old = self.old_findings(rules, &evaluation, target)?;
        Ok(evaluation.conclude(&self.settings.common, &old, fixing))
    }

    /// Whether the object is not checked: it is being deleted, or is a copy.
    fn skips(&self, meta: &Meta<'_>) -> Result<bool, ReadError> {
        // Whoever creates an object cannot mark it as being deleted: the API
        // server removes `deletionTimestamp`, but for a server-side apply only
        // after the webhooks have run.
        let is_being_deleted = meta.is_being_deleted() && self.request.operation() == Operation::Update;
        Ok(is_being_deleted && !self.subject.checked_while_being_deleted() || self.is_checked_elsewhere(meta)?)
    }

    /// Like [`Self::skips`], for a workload whose template cannot be read.
    #[cold]
    fn skips_unread(&self, object: &str) -> bool {
        let head = view::read::<Head<'_>>(object, OBJECT).ok().filter(|_| self.subject.is_template());
        head.and_then(|head| head.metadata).is_some_and(|meta| self.skips(&meta) == Ok(true))
    }

    /// Whether the object is a copy of one that is, or will be, checked.
    fn is_checked_elsewhere(&self, meta: &Meta<'_>) -> Result<bool, ReadError> {
        match self.subject {
            Subject::Template(_) => return Ok(meta.has_controller()),
            Subject::Pod => {}
            // For these, the annotation has no meaning, and anyone could set
            // it. Ephemeral containers cannot be added to a mirror Pod.
            Subject::EphemeralContainers
            | Subject::ServiceAccount
            | Subject::TokenRequest
            | Subject::Secret
            | Subject::Binding
            | Subject::Role
            | Subject::PersistentVolume
            | Subject::IdentityGrant(_)
            | Subject::ConfigMap => return Ok(false),
        }
        // Most Pods do not contain the key; then nothing is parsed.
        if !meta.annotations.may_hold(MIRROR_POD) {
            return Ok(false);
        }
        let annotations: Strings<'_> = meta.annotations.read("object.metadata.annotations")?;
        Ok(annotations.find(MIRROR_POD).is_some())
    }

    /// What fixes are applied to in this request.
    fn fixing(&self, object: &str) -> Result<Fixing, ReadError> {
        let common = &self.settings.common;
        if !self.subject.is_template() {
            return Ok(if common.phase == Phase::Mutating { Fixing::Object } else { Fixing::No });
        }
        if common.templates != Templates::Fix || common.phase != Phase::Mutating {
            return Ok(Fixing::DryRun);
        }
        if self.request.operation() == Operation::Create {
            return Ok(Fixing::Object);
        }
        // An unchanged template must not start a rollout, and the template of a
        // Job is immutable.
        let steps = self.subject.steps();
        let old = match self.request.old_object.text() {
            Some(old) => crate::object::descend(old, steps, "oldObject").unwrap_or_default(),
            None => None,
        };
        let unchanged = old == crate::object::descend(object, steps, OBJECT)?;
        let is_job = (self.request.group(), self.request.kind()) == JOB;
        Ok(if unchanged || is_job { Fixing::DryRun } else { Fixing::Object })
    }

    /// Applies the fixes and checks the result.
    fn evaluation<'t>(
        &self,
        rules: &[Planned<impl Fix>],
        object: &'t str,
        (meta, target): (&Meta<'t>, &Target<'t>),
        fixing: Fixing,
    ) -> Result<Evaluation, ReviewError> {
        let mut evaluation = Evaluation::default();
        let steps = if fixing == Fixing::No { &[] } else { Step::ALL };
        self.apply_steps(rules, object, (meta, target), steps, &mut evaluation)?;
        Ok(evaluation)
    }

    /// Applies the remaining steps and checks the result. Each step sees the
    /// object as the previous step left it.
    fn apply_steps<'t>(
        &self,
        rules: &[Planned<impl Fix>],
        object: &'t str,
        (meta, target): (&Meta<'t>, &Target<'t>),
        steps: &[Step],
        evaluation: &mut Evaluation,
    ) -> Result<(), ReviewError> {
        let Some((step, left)) = steps.split_first() else {
            evaluation.findings = self.findings(rules, (meta, target))?;
            return Ok(());
        };
        let mut tree = Node::new(object);
        let before = evaluation.changes.len();
        for planned in rules.iter().filter(|planned| planned.rule.injects() == (*step == Step::Inject)) {
            if !planned.fixes {
                continue;
            }
            let mut changes = Changes::new(planned.rule.id);
            planned.opened.fix(&self.context(meta, target), &mut Edit::new(&mut tree, self.subject), &mut changes)?;
            let changes = changes.into_vec();
            debug_assert!(changes.iter().all(|change| planned.rule.declares(&change.message)), "{}", planned.rule.id);
            evaluation.changes.extend(changes);
        }
        if evaluation.changes.len() == before {
            return self.apply_steps(rules, object, (meta, target), left, evaluation);
        }
        let mut fixed = String::with_capacity(object.len() + 1024);
        tree.write(&mut fixed);
        drop(tree);
        if let (meta, Some(target)) = Target::read(self.subject, &fixed, None, Raw::default())? {
            self.apply_steps(rules, &fixed, (&meta, &target), left, evaluation)?;
        }
        // If a later step changed the object too, its result is kept.
        evaluation.fixed.get_or_insert(fixed);
        Ok(())
    }

    fn findings(
        &self,
        rules: &[Planned<impl Fix>],
        (meta, target): (&Meta<'_>, &Target<'_>),
    ) -> Result<Vec<(Level, Finding)>, ReviewError> {
        let context = self.context(meta, target);
        let mut all = Vec::new();
        for planned in rules {
            let mut findings = Findings::new(planned.rule.id);
            planned.opened.check(&context, &mut findings)?;
            let findings = findings.into_vec();
            let is_declared = |finding: &Finding| planned.rule.declares(&finding.diagnostic.message);
            debug_assert!(findings.iter().all(is_declared), "{}: {findings:?}", planned.rule.id);
            all.extend(findings.into_iter().map(|finding| (planned.level, finding)));
        }
        Ok(all)
    }

    fn context<'t>(&'t self, meta: &'t Meta<'t>, target: &'t Target<'t>) -> RuleContext<'t> {
        let Settings { common, rules } = self.settings;
        RuleContext {
            request: self.request,
            common,
            rules,
            meta,
            target,
            lookup: self.lookup,
            identity_annotations: OnceCell::new(),
        }
    }

    /// The findings that the object had before this UPDATE. Needed only if
    /// there are findings now.
    fn old_findings(
        &self,
        rules: &[Planned<impl Fix>],
        evaluation: &Evaluation,
        new: &Target<'_>,
    ) -> Result<Vec<Diagnostic>, ReviewError> {
        if self.request.operation() != Operation::Update || evaluation.findings.is_empty() {
            return Ok(Vec::new());
        }
        // Only new ephemeral containers are checked, so none of their findings is old.
        if *self.subject == Subject::EphemeralContainers {
            return Ok(Vec::new());
        }
        let Some(old) = self.request.old_object.text() else { return Ok(Vec::new()) };
        // The client cannot repair the stored object. If it cannot be read, it
        // has no old findings.
        let Ok((meta, Some(target))) = Target::read(self.subject, old, None, Raw::default()) else {
            return Ok(Vec::new());
        };
        if let Target::Workload(workload) = new {
            self.lookup.restrict_to(workload.spec.account());
        }
        let fixing = if self.settings.common.phase == Phase::Mutating || self.subject.is_template() {
            Fixing::DryRun
        } else {
            Fixing::No
        };
        match self.evaluation(rules, old, (&meta, &target), fixing) {
            Ok(old) => Ok(old.findings.into_iter().map(|(_, finding)| finding.diagnostic).collect()),
            Err(ReviewError::ReadError(_) | ReviewError::CannotChange) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
