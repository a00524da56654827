// SPDX-License-Identifier: Apache-2.0

//! Stores the objects that a case requires: namespaces, accounts, roles and bindings, the old object. The requests have no
//! mark, so no webhook receives them.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::discovery::Discovery;

/// Namespace and name of an account.
pub type AccountKey = (String, String);

/// The account that shows whether the plugin's cache is up to date.
const WATCHED: &str = "sa-hygiene-stage";

/// The finalizer of an object that is being deleted, unless the object has finalizers itself.
const FINALIZER: &str = "example.com/sa-hygiene-cluster-test";

/// How long the ServiceAccount plugin may take to see an account.
const PROPAGATION: Duration = Duration::from_secs(10);

/// The objects that are stored for cases.
#[derive(Debug)]
pub struct Fixtures {
    api: Api,
    discovery: Discovery,
    accounts: BTreeMap<AccountKey, Value>,
    /// Roles and bindings.
    grants: Vec<Value>,
    namespaces: BTreeSet<String>,
    generation: usize,
}

/// The objects that are stored for one request.
#[derive(Debug, Default)]
pub struct Stored {
    /// The old object, as the case states it and as it is stored.
    pub before: Option<(Value, Value)>,
    /// The account that a token is requested for.
    pub account: Option<Value>,
    /// The object that the token is to be bound to.
    pub bound: Option<Value>,
}

impl Fixtures {
    /// A cluster without accounts, except those of Kubewarden.
    #[must_use]
    pub fn new(api: Api, discovery: Discovery) -> Self {
        Self {
            api,
            discovery,
            accounts: BTreeMap::new(),
            grants: Vec::new(),
            namespaces: BTreeSet::new(),
            generation: 0,
        }
    }

    /// The account that a policy may look up for a request, and its stored object.
    #[must_use]
    pub fn account_of(&self, request: &Value) -> (AccountKey, Option<Value>) {
        let namespace = request["namespace"].as_str().unwrap_or_default().to_owned();
        let name = account_name(&request["object"]).unwrap_or("default").to_owned();
        let key = (namespace, name);
        let account = self.accounts.get(&key).cloned();
        (key, account)
    }

    /// Stores the accounts that a request needs, and removes those that must not exist.
    ///
    /// # Errors
    /// If the API server rejects an object.
    pub fn prepare(&mut self, request: &Value, cluster: &[Value]) -> Result<()> {
        let wanted = accounts(request, cluster);
        for (namespace, _) in wanted.keys() {
            if self.namespaces.insert(namespace.clone()) {
                self.api.ensure_namespace(namespace)?;
                // The case determines whether this account exists, and its fields.
                self.api.delete(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"))?;
            }
        }
        if wanted == self.accounts {
            return Ok(());
        }
        let gone = self.accounts.iter().filter(|&(key, account)| wanted.get(key) != Some(account));
        for (namespace, name) in gone.map(|(key, _)| key) {
            self.api.delete(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}"))?;
        }
        for (key, account) in &wanted {
            if self.accounts.get(key) != Some(account) {
                self.api.create(&self.discovery, account).with_context(|| format!("account {}/{}", key.0, key.1))?;
            }
        }
        self.accounts = wanted;
        self.wait_until_seen()
    }

    /// Stores the roles and bindings of a case, and removes those of the previous case. Returns whether that changed anything.
    ///
    /// # Errors
    /// If the API server rejects an object.
    pub fn grant(&mut self, cluster: &[Value]) -> Result<bool> {
        let is_grant = |object: &&Value| object["apiVersion"] == "rbac.authorization.k8s.io/v1";
        let wanted: Vec<Value> = cluster.iter().filter(is_grant).cloned().collect();
        if wanted == self.grants {
            return Ok(false);
        }
        for grant in std::mem::take(&mut self.grants) {
            self.remove_object(&grant)?;
        }
        for grant in &wanted {
            if let Some(namespace) = grant["metadata"]["namespace"].as_str()
                && self.namespaces.insert(namespace.to_owned())
            {
                self.api.ensure_namespace(namespace)?;
                self.api.delete(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"))?;
            }
            self.api.create(&self.discovery, grant)?;
            self.grants.push(grant.clone());
        }
        // Wait for the authorizer, which has its own cache.
        thread::sleep(Duration::from_secs(1));
        Ok(true)
    }

    /// Stores the old object, and the object that a token is to be bound to.
    ///
    /// # Errors
    /// If the API server rejects an object.
    pub fn store(&self, request: &Value, old: Option<&Value>) -> Result<Stored> {
        let mut stored = Stored::default();
        if let Some(old) = old {
            stored.before = Some((old.clone(), self.store_old(old).context("the old object")?));
        }
        if request["subResource"] == "token"
            && let (Some(namespace), Some(name)) = (request["namespace"].as_str(), request["name"].as_str())
        {
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
            stored.account = Some(self.api.get(&path)?);
            if let Some(bound) = bound_object(request, namespace, name) {
                let object = self.api.create(&self.discovery, &bound).context("what the token is bound to")?;
                stored.bound = Some(object);
            }
        }
        Ok(stored)
    }

    /// Removes what [`Stage::store`] stored.
    ///
    /// # Errors
    /// If the API server does not remove them.
    pub fn remove(&self, stored: &Stored) -> Result<()> {
        let before = stored.before.as_ref().map(|(_, stored)| stored);
        before.into_iter().chain(&stored.bound).try_for_each(|object| self.remove_object(object))
    }

    fn store_old(&self, old: &Value) -> Result<Value> {
        let mut object = old.clone();
        // They are added later, by a separate request.
        let ephemeral = object["spec"].as_object_mut().and_then(|spec| spec.remove("ephemeralContainers"));
        let is_going = !old["metadata"]["deletionTimestamp"].is_null();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for own in
                ["deletionTimestamp", "deletionGracePeriodSeconds", "uid", "resourceVersion", "creationTimestamp"]
            {
                metadata.remove(own);
            }
            if is_going && !metadata.contains_key("finalizers") {
                metadata.insert("finalizers".to_owned(), json!([FINALIZER]));
            }
        }
        let mut stored = self.api.create(&self.discovery, &object)?;
        let path = self.discovery.path(&stored)?;
        if let Some(ephemeral) = ephemeral {
            stored["spec"]["ephemeralContainers"] = ephemeral;
            let path = format!("{path}/ephemeralcontainers");
            stored = self.api.call("PUT", &path, Some(&stored), &Caller::default())?.success()?.body;
        }
        if is_going {
            self.api.delete(&path)?;
            stored = self.api.get(&path)?;
        }
        Ok(stored)
    }

    fn remove_object(&self, stored: &Value) -> Result<()> {
        let path = self.discovery.path(stored)?;
        if !stored["metadata"]["finalizers"].is_null() {
            let none = json!({"metadata": {"finalizers": null}});
            let answer = self.api.call("PATCH", &path, Some(&none), &Caller::default())?;
            if answer.status != 404 {
                answer.success()?;
            }
        }
        self.api.delete(&path)
    }

    /// Waits until the plugin has seen all accounts. Its cache follows the order of the store: once it has the pull secret of
    /// the account that was stored last, it has everything that was stored before.
    fn wait_until_seen(&mut self) -> Result<()> {
        const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
        self.generation += 1;
        let secret = format!("stage-{}", self.generation);
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": WATCHED, "namespace": "default"},
            "imagePullSecrets": [{"name": secret}],
        });
        let answer = match self.generation {
            1 => self.api.call("POST", ACCOUNTS, Some(&account), &Caller::default())?,
            _ => self.api.call("PUT", &format!("{ACCOUNTS}/{WATCHED}"), Some(&account), &Caller::default())?,
        };
        answer.success()?;
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": WATCHED, "namespace": "default"},
            "spec": {"serviceAccountName": WATCHED, "containers": [{"name": "c", "image": "registry.example.com/c"}]},
        });
        let start = Instant::now();
        loop {
            let path = "/api/v1/namespaces/default/pods?dryRun=All";
            let answer = self.api.call("POST", path, Some(&pod), &Caller::default())?.success()?;
            if answer.body["spec"]["imagePullSecrets"][0]["name"] == secret.as_str() {
                return Ok(());
            }
            if start.elapsed() > PROPAGATION {
                bail!("the ServiceAccount plugin does not see accounts after {} s", PROPAGATION.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The accounts that a request needs: the case's own, and the `default` account that every namespace has.
fn accounts(request: &Value, cluster: &[Value]) -> BTreeMap<AccountKey, Value> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut accounts = BTreeMap::new();
    let own = cluster.iter().filter(|object| object["kind"] == "ServiceAccount");
    let of_own = own.clone().filter_map(|account| text(&account["metadata"]["namespace"]));
    for namespace in of_own.chain(text(&request["namespace"])) {
        accounts.insert((namespace.clone(), "default".to_owned()), account(&namespace, "default"));
    }
    for account in own {
        let namespace = text(&account["metadata"]["namespace"]).unwrap_or_else(|| "default".to_owned());
        let mut account = account.clone();
        account["metadata"]["namespace"] = namespace.clone().into();
        accounts.insert((namespace, text(&account["metadata"]["name"]).unwrap_or_default()), account);
    }
    if request["resource"]["resource"] == "serviceaccounts"
        && let (Some(namespace), Some(name)) = (text(&request["namespace"]), text(&request["name"]))
    {
        if request["subResource"] == "token" {
            // A token can be requested only for an account that exists.
            let account = account(&namespace, &name);
            accounts.entry((namespace, name)).or_insert(account);
        } else {
            // The account is the object of the request: it does not exist yet, or `Stage::store` stores its old state.
            accounts.remove(&(namespace, name));
        }
    }
    accounts
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

/// The account of the first Pod in an object.
fn account_name(object: &Value) -> Option<&str> {
    match object {
        Value::Object(fields) => {
            let own = fields.get("serviceAccountName").and_then(Value::as_str);
            own.or_else(|| fields.values().find_map(account_name))
        }
        _ => None,
    }
}

/// The object that the requested token is to be bound to.
fn bound_object(request: &Value, namespace: &str, account: &str) -> Option<Value> {
    let bound = &request["object"]["spec"]["boundObjectRef"];
    let mut object = json!({
        "apiVersion": bound["apiVersion"],
        "kind": bound["kind"],
        "metadata": {"name": bound["name"], "namespace": namespace},
    });
    match bound["kind"].as_str()? {
        "Secret" => {}
        "Node" => object["metadata"] = json!({"name": bound["name"]}),
        "Pod" => {
            let containers = json!([{"name": "c", "image": "registry.example.com/c"}]);
            object["spec"] = json!({"serviceAccountName": account, "containers": containers});
        }
        _ => return None,
    }
    Some(object)
}
