// SPDX-License-Identifier: Apache-2.0
//! Helpers of unit tests: a cluster without a host, and reviews of Pods.

use std::cell::RefCell;

use kubewarden_policy_sdk::host_capabilities::kubernetes::CanIRequest;
use serde_json::{Value, json};

use crate::cluster::{Access, AccountRecord, Age, Cluster, LookupError};
use crate::guest;

/// A cluster that knows one account, or fails.
pub struct FakeCluster {
    answer: Result<(String, String, AccountRecord), LookupError>,
    now: Option<Result<AccountRecord, LookupError>>,
    /// What every account may do, in the format of [`FakeCluster::reviewed`], without the account.
    allowed: Result<Vec<String>, LookupError>,
    reviews: RefCell<Vec<String>>,
    ages: RefCell<Vec<Age>>,
    logged: RefCell<Vec<String>>,
}

impl FakeCluster {
    /// Knows one account.
    pub fn with(namespace: &str, name: &str, record: AccountRecord) -> Self {
        Self::new(Ok((namespace.to_owned(), name.to_owned(), record)))
    }

    /// Knows no account and fails with this error.
    pub fn failing(error: LookupError) -> Self {
        Self::new(Err(error))
    }

    fn new(answer: Result<(String, String, AccountRecord), LookupError>) -> Self {
        Self {
            answer,
            now: None,
            allowed: Ok(Vec::new()),
            reviews: RefCell::default(),
            ages: RefCell::default(),
            logged: RefCell::default(),
        }
    }

    /// The same, but every account has these permissions: verb and resource.
    pub fn allowing(mut self, permissions: &[&str]) -> Self {
        self.allowed = Ok(permissions.iter().map(|&permission| permission.to_owned()).collect());
        self
    }

    /// The same, but permission look-ups fail.
    pub fn failing_reviews(mut self, error: LookupError) -> Self {
        self.allowed = Err(error);
        self
    }

    /// The access reviews requested: `namespace/account verb resource`, and `in namespace` unless it is cluster-wide.
    pub fn reviewed(&self) -> Vec<String> {
        self.reviews.borrow().clone()
    }

    /// The same, but a fresh look-up returns this record.
    pub fn now(mut self, record: AccountRecord) -> Self {
        self.now = Some(Ok(record));
        self
    }

    /// The same, but a fresh look-up fails.
    pub fn failing_now(mut self, error: LookupError) -> Self {
        self.now = Some(Err(error));
        self
    }

    /// The number of account look-ups.
    pub fn lookups(&self) -> usize {
        self.ages.borrow().len()
    }

    /// How old the record of each look-up may have been.
    pub fn ages(&self) -> Vec<Age> {
        self.ages.borrow().clone()
    }

    /// The namespaces for which missing access was logged.
    pub fn logged(&self) -> Vec<String> {
        self.logged.borrow().clone()
    }
}

impl Cluster for FakeCluster {
    fn service_account(&self, namespace: &str, name: &str, age: Age) -> Result<AccountRecord, LookupError> {
        self.ages.borrow_mut().push(age);
        let (known_namespace, known_name, record) = self.answer.as_ref().map_err(|error| *error)?;
        if (known_namespace.as_str(), known_name.as_str()) == (namespace, name) {
            self.now.clone().filter(|_| age == Age::Fresh).unwrap_or_else(|| Ok(record.clone()))
        } else {
            Err(LookupError::Absent)
        }
    }

    fn can_i(&self, request: &str) -> Result<bool, LookupError> {
        let request: CanIRequest = serde_json::from_str(request).unwrap();
        let (review, attributes) = (&request.subject_access_review, &request.subject_access_review.resource_attributes);
        let account = review.user.strip_prefix("system:serviceaccount:").unwrap().replace(':', "/");
        let part = |sign: &str, part: &Option<String>| match part.as_deref() {
            None | Some("") => String::new(),
            Some(part) => format!("{sign}{part}"),
        };
        let permission = format!(
            "{} {}{}{}",
            attributes.verb,
            attributes.resource,
            part(".", &attributes.group),
            part("/", &attributes.subresource)
        );
        self.reviews.borrow_mut().push(format!("{account} {permission}{}", part(" in ", &attributes.namespace)));
        Ok(self.allowed.as_ref().map_err(|error| *error)?.contains(&permission))
    }

    fn log_not_granted(&self, _: Access, namespace: &str) {
        self.logged.borrow_mut().push(namespace.to_owned());
    }
}

/// A Pod as the API server sends it: with the token of its account injected,
/// unless the Pod opts out.
pub fn admitted_pod(spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "serviceAccountName": "default", "serviceAccount": "default",
            "containers": [{"name": "web", "image": "registry.example/web:1"}],
        },
    });
    merge(&mut pod["spec"], spec);
    pod["spec"]["serviceAccount"] = pod["spec"]["serviceAccountName"].clone();
    if pod["spec"]["automountServiceAccountToken"] != json!(false) {
        inject(&mut pod);
    }
    pod
}

/// Adds the plugin's volume and mounts.
pub fn inject(pod: &mut Value) {
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let mount = json!({"name": "kube-api-access-bcd24", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
            push(&mut container["volumeMounts"], mount);
        }
    }
    push(&mut pod["spec"]["volumes"], plugin_volume());
}

/// The plugin's volume.
pub fn plugin_volume() -> Value {
    json!({"name": "kube-api-access-bcd24", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

fn push(list: &mut Value, entry: Value) {
    if !list.is_array() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(entry);
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// The request that creates an object.
pub fn create(object: &Value) -> Value {
    let (group, _) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", ""));
    json!({
        "kind": {"group": group, "version": "v1", "kind": object["kind"]}, "operation": "CREATE",
        "name": object["metadata"]["name"], "namespace": "shop", "object": object,
        "userInfo": {"username": "alice", "groups": ["developers"]},
    })
}

/// The request that updates an object.
pub fn update(old: &Value, new: &Value) -> Value {
    let mut request = create(new);
    request["operation"] = json!("UPDATE");
    request["oldObject"] = old.clone();
    request
}

/// The request that changes the ephemeral containers of a running Pod.
pub fn ephemeral(pod: &Value, old: &Value, new: &Value) -> Value {
    let with = |containers: &Value| {
        let mut pod = pod.clone();
        pod["spec"]["ephemeralContainers"] = containers.clone();
        pod
    };
    let mut request = update(&with(old), &with(new));
    request["subResource"] = json!("ephemeralcontainers");
    request
}

/// A response in one word.
pub fn outcome(answer: &Value) -> &'static str {
    match (
        answer["accepted"].as_bool().unwrap(),
        answer.get("mutated_object").is_some(),
        answer.get("warnings").is_some(),
    ) {
        (false, _, _) => "reject",
        (true, true, _) => "fix",
        (true, false, true) => "warn",
        (true, false, false) => "fine",
    }
}

/// What a rule reports: the lines of the message, or the warnings, without the
/// rule's ID.
pub fn reported(answer: &Value, rule: &str) -> Vec<String> {
    let message = answer["message"].as_str().unwrap_or_default().lines().map(|line| line.trim_start_matches("- "));
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let prefix = format!("{rule}: ");
    message.chain(warnings).filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// Settings with only these rules on.
pub fn only(rules: &Value) -> Value {
    let mut all: serde_json::Map<String, Value> =
        crate::rules::RULES.iter().map(|rule| (rule.id.to_owned(), json!("off"))).collect();
    all.extend(rules.as_object().unwrap().clone());
    json!({"rules": all})
}

/// The problems that `validate_settings` reports, one per line.
pub fn settings_problems(settings: &Value) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
    message.lines().skip(1).map(|line| line.trim_start_matches("- ").to_owned()).collect()
}

/// A cluster for reviews that do not depend on an account.
pub fn quiet_cluster() -> FakeCluster {
    FakeCluster::with("shop", "app", AccountRecord::default())
}

/// A cluster whose account `app` has these annotations.
pub fn annotated_cluster(annotations: &[(&str, &str)]) -> FakeCluster {
    FakeCluster::with("shop", "app", AccountRecord::default().with_annotations(annotations))
}

/// The response for a Pod of account `app` with this environment in one container.
pub fn review_env(env: &Value, settings: &Value, cluster: &FakeCluster) -> Value {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": env}]}));
    review(&create(&pod), settings, cluster)
}

/// A Pod of account `app` that opts out of the token, with more in its spec.
pub fn tokenless_pod(more: &Value) -> Value {
    let mut spec = json!({"serviceAccountName": "app", "automountServiceAccountToken": false});
    merge(&mut spec, more);
    admitted_pod(&spec)
}

/// A volume with projected sources.
pub fn projected(name: &str, sources: &Value) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": sources}})
}

/// A source with a token.
pub fn token(audience: &str, seconds: i64) -> Value {
    let mut token = json!({"path": "token", "expirationSeconds": seconds});
    if !audience.is_empty() {
        token["audience"] = json!(audience);
    }
    json!({"serviceAccountToken": token})
}

/// The policy's response.
pub fn review(request: &Value, settings: &Value, cluster: &FakeCluster) -> Value {
    let payload = json!({"request": request, "settings": settings}).to_string();
    serde_json::from_slice(&guest::validate(payload.as_bytes(), cluster)).unwrap()
}

/// A Deployment with a Pod template.
pub fn deployment(spec: &Value) -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}}},
    });
    merge(&mut deployment["spec"]["template"]["spec"], spec);
    deployment
}

/// A token request for account shop/app, as the mutating phase sees it.
pub fn token_request(spec: &Value) -> Value {
    json!({
        "kind": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
        "resource": {"group": "", "version": "v1", "resource": "serviceaccounts"}, "subResource": "token",
        "operation": "CREATE", "name": "app", "namespace": "shop",
        "userInfo": {"username": "alice", "groups": ["developers"]},
        "object": {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {"namespace": "shop"},
            "spec": spec, "status": {"token": "", "expirationTimestamp": null},
        },
    })
}
