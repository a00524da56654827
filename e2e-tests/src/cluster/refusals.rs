// SPDX-License-Identifier: Apache-2.0

//! Objects that the API server itself rejects: the simulated API server must return the same message.

use std::path::Path;

use anyhow::{Context as _, Result};
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::yaml;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::discovery::Discovery;
use super::report::Outcome;

const FILE: &str = "e2e-tests/cluster/refusals.yaml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    name: String,
    object: Value,
    /// The `metadata` of the ServiceAccounts that exist.
    #[serde(default)]
    accounts: Vec<Value>,
}

/// Compares all rejections.
///
/// # Errors
/// If the file cannot be read, or there is no response.
pub fn run(repository: &Path, api: &Api) -> Result<Vec<Outcome>> {
    let mut documents = yaml::load_file(repository.join(FILE))?;
    let list = documents.pop().context("an empty file")?.value;
    let refusals: Vec<Refusal> = serde_json::from_value(list).context(FILE)?;
    let discovery = api.discover()?;
    api.ensure_namespace("shop")?;
    refusals.into_iter().map(|refusal| compare(&refusal, api, &discovery)).collect()
}

fn compare(refusal: &Refusal, api: &Api, discovery: &Discovery) -> Result<Outcome> {
    let account = |metadata: &Value| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
    let accounts: Vec<Value> = refusal.accounts.iter().map(account).collect();
    let simulated = simulated(&refusal.object, &accounts);

    for account in &accounts {
        api.create(discovery, account)?;
    }
    let path = format!("{}?dryRun=All", discovery.collection(&refusal.object)?);
    let answer = api.call("POST", &path, Some(&refusal.object), &Caller::default());
    for account in &accounts {
        api.delete(&discovery.path(account)?)?;
    }
    let real = answer?;
    let mut differences = Vec::new();
    if real.is_success() {
        differences.push("the API server takes it".to_owned());
    }
    if simulated.is_empty() {
        differences.push("the simulated API server takes it".to_owned());
    }
    // The real message starts with the kind and the name, and may contain more errors, for fields that the simulation does not
    // validate.
    let missing = simulated.iter().filter(|error| !real.message().contains(*error));
    differences.extend(missing.map(|error| format!("simulated: {error}\n  real:      {}", real.message())));
    Ok(Outcome::new(&refusal.name, differences))
}

/// The errors of the simulated API server: the error of a plugin, or those of the validation.
fn simulated(object: &Value, accounts: &[Value]) -> Vec<String> {
    let server = ApiServer::new(accounts);
    match server.request(object.clone(), &RequestOptions::default()) {
        Err(error) => vec![error.to_string()],
        Ok(request) => match request.get("object").map(|object| server.validate(object)) {
            Some(Err(errors)) => errors,
            _ => Vec::new(),
        },
    }
}
