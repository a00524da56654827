// SPDX-License-Identifier: Apache-2.0

//! A folder with the recommendations of a report: kustomize patches for tokens that can be removed, manifests for the rest, and
//! the same changes as commands. Changes that need a decision are comments.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use policy_host::{shown, yaml};
use serde_json::{Value, json};

use super::manifests::{addressed, narrow_roles, own_account, template_of, template_patch};
use super::settings::is_plain;
use crate::report::{Namespace, Recommendation, Report, Row, Workload};

const SCRIPT_HEADER: &str = "\
#!/bin/sh
# Recommendations of `sa-hygiene audit`, each with its evidence. The commands remove unused tokens; changes that need a
# decision are comments. Review each command before you run it.
set -eu
";

const KUSTOMIZATION_HEADER: &str = "\
# A kustomize component: list this directory under `components` in the kustomization that contains these workloads.
";

/// The number of changes that were written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Patches that remove a token.
    pub patches: usize,
    /// Recommendations that need a decision, written as comments and manifests.
    pub comments: usize,
}

/// The files to write, by their path in the folder.
#[derive(Debug, Default)]
struct Plan {
    files: Vec<(PathBuf, String)>,
    patches: Vec<Value>,
    script: String,
    written: Written,
}

/// Writes to a folder that is empty or does not exist.
///
/// # Errors
/// If the folder is not empty, or cannot be written to.
pub fn write(report: &Report, folder: &Path) -> Result<Written> {
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", folder.display());
    }
    let plan = plan(report)?;
    for (name, text) in &plan.files {
        let path = folder.join(name);
        let named = || path.display().to_string();
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(named)?;
        std::fs::write(&path, text).with_context(named)?;
    }
    Ok(plan.written)
}

fn plan(report: &Report) -> Result<Plan> {
    let mut plan = Plan { script: SCRIPT_HEADER.to_owned(), ..Plan::default() };
    for row in report.namespaces.iter().flat_map(Namespace::rows) {
        match row.recommendation() {
            Recommendation::NoToken | Recommendation::KeepUsed | Recommendation::Unknown => {}
            _ => plan.add(&row)?,
        }
    }
    if !plan.patches.is_empty() {
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "patches": plan.patches
        });
        let text = format!("{KUSTOMIZATION_HEADER}{}", yaml::to_string(&kustomization)?);
        plan.files.push(("kustomization.yaml".into(), text));
    }
    let script = std::mem::take(&mut plan.script);
    plan.files.push(("commands.sh".into(), script));
    Ok(plan)
}

impl Plan {
    fn add(&mut self, row: &Row<'_>) -> Result<()> {
        let comment = evidence(row);
        write!(self.script, "\n{comment}")?;
        let names = [Some(row.namespace), Some(row.account.name.as_str()), row.workload.map(|it| it.name.as_str())];
        if !names.into_iter().flatten().all(is_plain) {
            self.written.comments += 1;
            self.script.push_str("# no command, because the name contains special characters\n");
            return Ok(());
        }
        match (row.recommendation(), row.workload) {
            (Recommendation::Remove | Recommendation::RemoveUnused, Some(workload)) => {
                self.remove(row.namespace, workload, &comment)
            }
            (Recommendation::MoveOffDefault, Some(workload)) => self.move_off_default(row, workload, &comment),
            (Recommendation::Narrow, _) => self.narrow(row, &comment),
            (Recommendation::ReplaceLegacyToken, _) => self.replace(row),
            _ => {
                self.written.comments += 1;
                Ok(())
            }
        }
    }

    fn remove(&mut self, namespace: &str, workload: &Workload, comment: &str) -> Result<()> {
        let Workload { kind, name, token, .. } = workload;
        for volume in &token.volumes {
            let volume = shown::text(volume);
            writeln!(
                self.script,
                "# remove the volume {volume} and its mounts from the manifest by hand; the patch does not remove them"
            )?;
        }
        let Some((api_version, path)) = template_of(kind) else {
            self.written.comments += 1;
            writeln!(
                self.script,
                "# set automountServiceAccountToken: false where it is created; an existing object cannot be changed"
            )?;
            return Ok(());
        };
        let patch = template_patch(path, json!({"automountServiceAccountToken": false}));
        let file = file_name(namespace, kind, name);
        let object = addressed(&patch, api_version, kind, namespace, name);
        self.files.push((file.clone(), format!("{comment}{}", yaml::to_string(&object)?)));
        self.patches.push(json!({
            "path": file.to_string_lossy(), "target": {"kind": kind, "name": name, "namespace": namespace}
        }));
        self.written.patches += 1;
        writeln!(self.script, "{}", kubectl_patch(namespace, kind, name, &patch))?;
        Ok(())
    }

    fn move_off_default(&mut self, row: &Row<'_>, workload: &Workload, comment: &str) -> Result<()> {
        let Workload { kind, name, .. } = workload;
        self.written.comments += 1;
        let file = file_name(row.namespace, "account", name);
        self.manifests(&file, comment, &own_account(row.namespace, row.account, workload))?;
        writeln!(self.script, "# kubectl apply -f {}", file.display())?;
        match template_of(kind) {
            Some((_, path)) => {
                let fields = json!({"serviceAccountName": name, "automountServiceAccountToken": true});
                let patch = template_patch(path, fields);
                writeln!(self.script, "# {}", kubectl_patch(row.namespace, kind, name, &patch))?;
            }
            None => writeln!(self.script, "# set serviceAccountName where the {kind} is created")?,
        }
        Ok(())
    }

    /// One recommendation for an account, for all of its workloads.
    fn narrow(&mut self, row: &Row<'_>, comment: &str) -> Result<()> {
        self.written.comments += 1;
        let account = row.account;
        let file = file_name(row.namespace, "roles", &account.name);
        let Some(calls) = account.calls.as_ref().filter(|_| !self.files.iter().any(|(name, _)| *name == file)) else {
            return Ok(());
        };
        self.manifests(&file, comment, &narrow_roles(row.namespace, &account.name, calls))?;
        writeln!(self.script, "# kubectl apply -f {}", file.display())?;
        for binding in account.bindings.iter().filter(|it| it.group.is_none() && is_plain(&it.name)) {
            let namespace = binding.namespace.as_ref().map(|it| format!(" -n {it}")).unwrap_or_default();
            let kind = binding.kind.to_lowercase();
            writeln!(
                self.script,
                "# then remove the account from the binding: kubectl edit {kind} {}{namespace}",
                binding.name
            )?;
        }
        Ok(())
    }

    fn replace(&mut self, row: &Row<'_>) -> Result<()> {
        self.written.comments += 1;
        let own = row.account.legacy_tokens.iter().map(|it| &it.secret);
        let mounted = row.workload.into_iter().flat_map(|it| &it.token.legacy_secrets);
        writeln!(
            self.script,
            "# for use outside the cluster: kubectl create token {} -n {}",
            row.account.name, row.namespace
        )?;
        for secret in own.chain(mounted).filter(|it| is_plain(it)) {
            writeln!(self.script, "# once nothing uses it: kubectl delete secret {secret} -n {}", row.namespace)?;
        }
        Ok(())
    }

    fn manifests(&mut self, file: &Path, comment: &str, objects: &[Value]) -> Result<()> {
        let texts = objects.iter().map(yaml::to_string).collect::<Result<Vec<_>>>()?;
        self.files.push((file.to_owned(), format!("{comment}{}", texts.join("---\n"))));
        Ok(())
    }
}

fn file_name(namespace: &str, kind: &str, name: &str) -> PathBuf {
    Path::new(namespace).join(format!("{}-{name}.yaml", kind.to_lowercase()))
}

/// The recommendation and its reason, as a comment.
fn evidence(row: &Row<'_>) -> String {
    let workload = row.workload.map(|it| format!("{it} as ", it = format_args!("{} {}", it.kind, it.name)));
    let what = format!("{}/{}", row.namespace, row.account.name);
    let title = format!("{}: {}{what}", row.recommendation().word(), workload.unwrap_or_default());
    format!("# {}\n# {}\n", shown::text(&title), shown::text(row.reason()))
}

/// All parts are names without special characters of the shell, and JSON of such names contains no apostrophe.
fn kubectl_patch(namespace: &str, kind: &str, name: &str, patch: &Value) -> String {
    format!("kubectl patch {} {name} -n {namespace} --type=merge -p '{patch}'", kind.to_lowercase())
}
