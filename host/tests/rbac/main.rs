// SPDX-License-Identifier: Apache-2.0

//! Compares the evaluator of Roles and bindings with the answers of a real API server (`record.sh`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;

use policy_host::rbac::{Attributes, Authorizer, Decision, Objects, Resource, Target, User};
use policy_host::yaml;
use serde_json::Value;

const OBJECTS: &str = include_str!("objects.yaml");
const ANSWERS: &str = include_str!("answers.tsv");

/// A row of the table.
struct Row<'t> {
    user: User,
    attributes: Attributes<'t>,
    answer: &'t str,
    reason: &'t str,
}

fn authorizer() -> Authorizer {
    let mut objects = Objects::new("default");
    for object in self::objects() {
        let is_of_rbac = objects.add(&object).unwrap();
        assert_eq!(is_of_rbac, text(&object, "/kind") != "Namespace", "{object}");
    }
    Authorizer::new(&objects)
}

fn objects() -> impl Iterator<Item = Value> {
    yaml::load_str(OBJECTS, "objects.yaml").unwrap().into_iter().map(|document| document.value)
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    ANSWERS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let cells: Vec<&str> = line.split('\t').map(|cell| if cell == "-" { "" } else { cell }).collect();
        let [user, verb, resource, group, namespace, name, answer, reason] = cells.try_into().expect(line);
        let attributes = if resource.starts_with('/') {
            Attributes::url(verb, resource)
        } else {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
            Attributes { verb, target: Target::Resource(Resource { group, resource, subresource, name, namespace }) }
        };
        Row { user: self::user(user), attributes, answer, reason }
    })
}

fn user(text: &str) -> User {
    if let Some((namespace, name)) = text.split_once('/') {
        return User::service_account(namespace, name);
    }
    let mut names = text.split(',').map(str::to_owned);
    User { name: names.next().unwrap(), groups: names.collect() }
}

/// The reason, in the format of the API server.
fn reason(decision: Decision<'_>) -> String {
    let (binding, role) = match decision {
        Decision::Allowed { binding, role } => (binding, role),
        Decision::Unknown { role, .. } => {
            let kind = if role.namespace.is_some() { "role" } else { "clusterrole" };
            return format!("{kind}.rbac.authorization.k8s.io \"{}\" not found", role.name);
        }
        Decision::Denied | Decision::Superuser => return String::new(),
    };
    let binding = match &binding.namespace {
        Some(namespace) => format!("RoleBinding \"{}/{namespace}\"", binding.name),
        None => format!("ClusterRoleBinding \"{}\"", binding.name),
    };
    let kind = if role.namespace.is_some() { "Role" } else { "ClusterRole" };
    format!("{binding} of {kind} \"{}\"", role.name)
}

#[test]
fn agrees_with_the_api_server() {
    let authorizer = authorizer();
    let mut wrong = Vec::new();
    for row in rows() {
        let decision = authorizer.may(&row.user, &row.attributes);
        let answer = match decision {
            Decision::Allowed { .. } | Decision::Superuser => "allowed",
            Decision::Denied | Decision::Unknown { .. } => "denied",
        };
        if (answer, reason(decision).as_str()) != (row.answer, row.reason) {
            wrong.push(format!(
                "{} {:?}: {} ({}), not {decision:?}",
                row.user.name, row.attributes, row.answer, row.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn table_has_every_outcome() {
    let authorizer = authorizer();
    let mut counts = BTreeMap::new();
    for row in rows() {
        let outcome = match authorizer.may(&row.user, &row.attributes) {
            Decision::Allowed { .. } => "allowed",
            Decision::Denied => "denied",
            Decision::Unknown { .. } => "unknown",
            Decision::Superuser => "superuser",
        };
        *counts.entry(outcome).or_insert(0) += 1;
    }
    assert!(counts.len() == 4 && counts.values().all(|count| *count >= 50), "{counts:?}");
}

#[test]
fn fixtures_have_no_idle_binding() {
    let authorizer = authorizer();
    let deciding: Vec<String> = rows()
        .filter_map(|row| match authorizer.may(&row.user, &row.attributes) {
            Decision::Allowed { binding, .. } | Decision::Unknown { binding, .. } => Some(binding.to_string()),
            Decision::Denied | Decision::Superuser => None,
        })
        .collect();
    for binding in objects().filter(|object| text(object, "/kind").ends_with("Binding")) {
        let name = text(&binding, "/metadata/name");
        let binding = match text(&binding, "/metadata/namespace") {
            "" => format!("ClusterRoleBinding {name}"),
            namespace => format!("RoleBinding {namespace}/{name}"),
        };
        assert!(deciding.contains(&binding), "{binding} decides nothing");
    }
}
