// SPDX-License-Identifier: Apache-2.0

//! A cluster and a log that are large enough to be measured.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::cluster::{Spec, account, binding, namespace, role};
use super::events::{Call, event};

const NAMESPACES: usize = 100;

/// 2026-11-19T06:00:00Z.
const START: i64 = 1_795_068_000;

/// Ten days, in seconds.
const SPAN: u64 = 10 * 24 * 3600;

/// Writes a cluster with this many Pods and accounts, as `kubectl get -A -o json` would print it.
///
/// # Errors
/// If `out` cannot be written to.
pub fn large_cluster(out: &mut dyn Write, pods: usize, accounts: usize) -> io::Result<()> {
    let space = |index: usize| format!("team-{:03}", index % NAMESPACES);
    let owner = |index: usize| format!("app-{:05}", index % accounts.max(1));
    out.write_all(b"{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [")?;
    let mut is_first = true;
    let mut add = |object: Value| {
        let separator = if is_first { "" } else { "," };
        is_first = false;
        write!(out, "{separator}\n{object}")
    };
    for index in 0..NAMESPACES {
        add(namespace(&space(index)))?;
        add(role(
            Some(&space(index)),
            "reader",
            &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]),
        ))?;
    }
    for index in 0..accounts {
        let (space, name) = (space(index), owner(index));
        add(account(&space, &name, &json!({})))?;
        let role = [("Role", "reader"), ("ClusterRole", "view"), ("ClusterRole", "edit")];
        if let Some(role) = role.get(index % 4) {
            add(binding(Some(&space), &name, *role, (&space, &name)))?;
        }
    }
    for index in 0..pods {
        let name = owner(index);
        let spec = Spec { account: &name, ..Spec::default() };
        let mut pod = spec.pod(&space(index % accounts.max(1)), &format!("{name}-{index}"), ("StatefulSet", &name));
        // Makes the Pod as large as Pods usually are.
        json_patch::merge(&mut pod, &json!({"status": {"message": "x".repeat(6_000)}}));
        add(pod)?;
    }
    out.write_all(b"\n]}\n")
}

/// Writes events until there are this many bytes, with this many combinations of account, Pod, verb and resource. One in four
/// calls is by an account, as in typical clusters.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write_log(out: &mut dyn Write, bytes: u64, keys: u64) -> io::Result<()> {
    const VERBS: [&str; 4] = ["get", "list", "watch", "patch"];
    const RESOURCES: [(&str, &str); 5] = [
        ("", "pods"),
        ("", "configmaps"),
        ("", "endpoints"),
        ("apps", "deployments"),
        ("coordination.k8s.io", "leases"),
    ];
    let pick = |from: &[&'static str], at: u64| from.get(usize::try_from(at).unwrap_or(0) % from.len()).copied();
    let mut written = 0;
    let mut id = 0;
    while written < bytes {
        let key = (id / 4) % keys.max(1);
        let account = key / 20 % 5_000;
        let (space, name) = (format!("team-{:03}", account % 100), format!("app-{account:05}"));
        let user = format!("system:serviceaccount:{space}:{name}");
        let pod = format!("{name}-{}", key / 20);
        let resource = RESOURCES.get(usize::try_from(key / 4 % 5).unwrap_or(0)).copied().unwrap_or_default();
        let is_account = id % 4 == 0;
        let call = Call {
            user: if is_account { &user } else { "system:node:node-17" },
            pod: is_account.then_some(pod.as_str()),
            verb: pick(&VERBS, key % 4).unwrap_or_default(),
            resource,
            namespace: Some(&space),
            code: 200,
        };
        let second = START + i64::try_from(written.saturating_mul(SPAN) / bytes.max(1)).unwrap_or(0);
        let line = event(&call, id, second).to_string() + "\n";
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        id += 1;
    }
    Ok(())
}
