// SPDX-License-Identifier: Apache-2.0

//! The look-ups and access reviews that the policy makes before it removes a token, and a controller that is applied as one
//! file.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::case::Host;
use e2e_tests::engine::Engine;
use e2e_tests::expectation::Verdict;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::yaml;
use serde_json::{Value, json};

use crate::failed;
use crate::table::{account, pod};

/// A typical controller: namespace, role, binding and workloads in one file, all with `default`.
const CONTROLLER: &str = include_str!("evidence/controller.yaml");

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let trial = |name: &str, test: fn(&Engine) -> Result<()>| {
        let engine = Arc::clone(engine);
        Trial::test(format!("evidence::{name}"), move || test(&engine).map_err(failed))
    };
    vec![
        trial("what_a_request_may_ask", what_a_request_may_ask),
        trial("a_controller_in_one_file", a_controller_in_one_file),
        trial("a_binding_between_the_phases", a_binding_between_the_phases),
        Trial::test("evidence::nothing_is_ever_listed", || nothing_is_ever_listed().map_err(failed)),
    ]
}

/// Grants permissions to an account of `shop`.
fn binding(name: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "web", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name}],
    })
}

fn template(name: &str, automount: Option<bool>) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": pod(name, automount)["spec"]}},
    })
}

fn evaluated(engine: &Engine, object: Value, settings: &Value, cluster: &[Value]) -> Result<Verdict> {
    let request = ApiServer::new(cluster).request(object, &RequestOptions::default())?;
    Ok(engine.evaluate(&request, settings, cluster, &Host::default())?.verdict)
}

/// The table of docs/rules/pod-automount.md: object, `automountServiceAccountToken` of its account, whether the account has a
/// permission; look-ups and reviews with the default settings, and with `scope: all`.
fn what_a_request_may_ask(engine: &Engine) -> Result<()> {
    type Row = (Value, Option<bool>, bool, [(usize, usize); 2]);
    let rows: [Row; 17] = [
        (pod("default", None), None, false, [(0, 6), (0, 6)]),
        (pod("default", None), None, true, [(0, 1), (0, 1)]),
        (template("default", None), None, false, [(2, 6), (2, 6)]),
        (template("default", None), None, true, [(2, 1), (2, 1)]),
        (pod("default", None), Some(false), false, [(0, 6), (0, 6)]),
        (pod("default", None), Some(false), true, [(2, 1), (2, 1)]),
        (template("default", None), Some(false), false, [(1, 6), (1, 6)]),
        (pod("default", Some(true)), None, true, [(0, 0), (0, 0)]),
        (pod("default", Some(false)), None, true, [(0, 0), (0, 0)]),
        (template("default", Some(false)), None, true, [(0, 0), (0, 0)]),
        (pod("app", Some(true)), None, true, [(0, 0), (0, 0)]),
        (pod("app", Some(false)), None, true, [(0, 0), (0, 0)]),
        (pod("app", None), None, false, [(2, 0), (2, 6)]),
        (pod("app", None), None, true, [(2, 0), (2, 1)]),
        (pod("app", None), Some(true), true, [(1, 0), (1, 0)]),
        (pod("app", None), Some(false), true, [(0, 0), (2, 1)]),
        (template("app", None), None, true, [(2, 0), (2, 1)]),
    ];
    for (object, automount, may, expected) in rows {
        let name =
            if object.pointer("/spec/serviceAccountName").or(object.pointer("/spec/template/spec/serviceAccountName"))
                == Some(&json!("app"))
            {
                "app"
            } else {
                "default"
            };
        let mut cluster = vec![account(name, automount)];
        if may {
            cluster.push(binding(name, "view"));
        }
        for (scope, expected) in ["default", "all"].iter().zip(expected) {
            let settings = json!({"rules": {"pod-automount": {"scope": scope}}});
            let verdict = evaluated(engine, object.clone(), &settings, &cluster)?;
            let found = (verdict.lookups, verdict.reviews);
            ensure!(
                found == expected,
                "scope {scope}, may {may}, {automount:?}: {found:?}, not {expected:?}: {object}"
            );
            ensure!(verdict.reviews <= 8 && verdict.lookups <= 2);
        }
    }
    Ok(())
}

/// Sends the objects of the file in order, as `kubectl apply` does, and after each workload its Pod. All are accepted with
/// warnings only, and the controller keeps its token.
fn a_controller_in_one_file(engine: &Engine) -> Result<()> {
    let mut cluster: Vec<Value> = Vec::new();
    let mut seen = Vec::new();
    for document in yaml::load_str(CONTROLLER, "controller.yaml")? {
        let object = document.value;
        let mut sent = vec![object.clone()];
        sent.extend(ApiServer::pod_of(&object).map(|(mut pod, _)| {
            pod["metadata"]["namespace"] = object["metadata"]["namespace"].clone();
            pod["metadata"]["name"] = json!("of-the-template");
            pod
        }));
        for object in sent {
            let options = RequestOptions { namespace: Some("runners".to_owned()), ..RequestOptions::default() };
            let request = ApiServer::new(&cluster).request(object.clone(), &options)?;
            let title = format!(
                "{} {}",
                object["kind"].as_str().unwrap_or_default(),
                object["metadata"]["name"].as_str().unwrap_or_default()
            );
            for phase in ["mutating", "validating"] {
                let verdict = engine.evaluate(&request, &json!({"phase": phase}), &cluster, &Host::default())?.verdict;
                ensure!(verdict.allowed && verdict.object.is_none(), "{title}: {verdict:#?}");
                let of_tokens = verdict.lines_of("pod-automount").map(str::to_owned).collect::<Vec<_>>();
                seen.extend(
                    of_tokens.into_iter().filter(|_| phase == "mutating").map(|line| format!("{title}: {line}")),
                );
            }
        }
        cluster.push(object);
    }
    let of_template = "spec.template.spec.automountServiceAccountToken";
    let pod_line = "spec.automountServiceAccountToken";
    let stays = "is not set, and the token stays: account `default` may `get pods` in its namespace; use a dedicated account, and set it to true";
    let asks = "is true on the default account; give the Pod a dedicated account, or set it to false";
    let expected = [
        format!("Deployment runner-controller: {of_template}: {stays}"),
        format!("Pod of-the-template: {pod_line}: {stays}"),
        format!("Job runner-cleanup: {of_template}: {asks}"),
        format!("Pod of-the-template: {pod_line}: {asks}"),
    ];
    ensure!(seen == expected, "{seen:#?}");
    Ok(())
}

/// If a binding is created between the phases, the mutating policy removes the token and the validating policy accepts the Pod.
/// If a binding is deleted between the phases, the Pod is rejected, and its controller creates it again.
fn a_binding_between_the_phases(engine: &Engine) -> Result<()> {
    let accounts = [account("default", None)];
    let bound = [account("default", None), binding("default", "view")];
    let mut request = ApiServer::new(&accounts).request(pod("default", None), &RequestOptions::default())?;
    let validating = json!({"phase": "validating"});

    let kept = engine.evaluate(&request, &json!({}), &bound, &Host::default())?.verdict;
    ensure!(kept.allowed && kept.object.is_none(), "{kept:#?}");
    let gone = engine.evaluate(&request, &validating, &accounts, &Host::default())?.verdict;
    ensure!(gone.code == Some(403), "{gone:#?}");

    let fixed = engine.evaluate(&request, &json!({}), &accounts, &Host::default())?.verdict;
    request["object"] = fixed.object.context("the token stays")?;
    let came = engine.evaluate(&request, &validating, &bound, &Host::default())?.verdict;
    ensure!(came.allowed && came.warnings.is_empty(), "{came:#?}");
    Ok(())
}

/// Without permission, a list request never returns, and blocks every other policy of the server. The module does not even
/// contain the names of these operations. `invariants` checks the calls of every case.
fn nothing_is_ever_listed() -> Result<()> {
    let has = |word: &str| policy_module::WASM.windows(word.len()).any(|window| window == word.as_bytes());
    ensure!(has("get_resource") && has("can_i"), "the operations are not found in the module");
    for word in ["list_resources", "has_list_resources"] {
        ensure!(!has(word), "the module can send {word}");
    }
    Ok(())
}
