// SPDX-License-Identifier: Apache-2.0

//! A client of the API server, over HTTPS.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use policy_host::apiserver::UserInfo;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::discovery::Discovery;
use super::pki::{Identity, Pki};

/// The key in `userInfo.extra` that selects the policy for a request; see [`super::policies::Policy::marked`].
pub const MARK: &str = "sa-hygiene-policy";

/// One user's connections to the API server; clones share them.
#[derive(Debug, Clone)]
pub struct Api {
    agent: Agent,
    base: String,
}

/// The user that makes a request, and the policy that the request is sent to.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The user to impersonate instead of the client's own user.
    pub user: Option<UserInfo>,
    /// The mark that only one policy's webhook matches.
    pub mark: Option<String>,
}

/// A response of the API server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The object, or a `Status`.
    pub body: Value,
    /// The texts of its warnings.
    pub warnings: Vec<String>,
    /// The ID of the request in the audit log.
    pub audit_id: String,
}

impl Answer {
    /// Whether the request succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The message of a `Status`.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// The response, if the request succeeded.
    ///
    /// # Errors
    /// Status code and message, if it did not.
    pub fn success(self) -> Result<Self> {
        if !self.is_success() {
            bail!("the API server answers {}: {}", self.status, self.message());
        }
        Ok(self)
    }
}

impl Api {
    /// A client that trusts this run's CA, and authenticates with a client certificate.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn new(url: &str, pki: &Pki, identity: &Identity) -> Result<Self> {
        // Each process has one default provider; a second client finds it already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = Certificate::from_pem(identity.certificate.as_bytes())?;
        let key = PrivateKey::from_pem(identity.key.as_bytes())?;
        let authority = Certificate::from_pem(pki.authority.as_bytes())?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(vec![authority])))
            .client_cert(Some(ClientCert::new_with_certs(&[certificate], key)))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .new_agent();
        Ok(Self { agent, base: url.to_owned() })
    }

    /// A client with the given agent.
    #[must_use]
    pub fn of(agent: Agent, base: &str) -> Self {
        Self { agent, base: base.to_owned() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If there is no response.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>, caller: &Caller) -> Result<Answer> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        self.send(method, path, &body, caller)
    }

    /// Sends a request with a serialized body.
    ///
    /// # Errors
    /// If there is no response.
    pub fn send(&self, method: &str, path: &str, body: &[u8], caller: &Caller) -> Result<Answer> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.exchange(method, path, (kind, body), caller)
    }

    /// Applies an object, as `kubectl apply --server-side` does.
    ///
    /// # Errors
    /// If there is no response.
    pub fn apply(&self, path: &str, object: &Value) -> Result<Answer> {
        let body = serde_json::to_vec(object)?;
        self.exchange("PATCH", path, ("application/apply-patch+yaml", &body), &Caller::default())
    }

    fn exchange(&self, method: &str, path: &str, (kind, body): (&str, &[u8]), caller: &Caller) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("Content-Type", kind).header("Accept", "application/json");
        for (name, value) in caller.headers() {
            request = request.header(name, value);
        }
        let response = self.agent.run(request.body(body)?).with_context(|| format!("{method} {path}"))?;
        let (parts, mut body) = response.into_parts();
        let text = body.with_config().limit(64 << 20).read_to_vec().with_context(|| format!("{method} {path}"))?;
        Ok(Answer {
            status: parts.status.as_u16(),
            // The body of `/readyz` is not JSON.
            body: serde_json::from_slice(&text)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned())),
            warnings: warnings(&parts.headers),
            audit_id: header(&parts.headers, "audit-id").unwrap_or_default().to_owned(),
        })
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(self.call("GET", path, None, &Caller::default())?.success().with_context(|| path.to_owned())?.body)
    }

    /// Stores an object as this client's own user.
    ///
    /// # Errors
    /// If the API server rejects it.
    pub fn create(&self, discovery: &Discovery, object: &Value) -> Result<Value> {
        let path = discovery.collection(object)?;
        let answer = self.call("POST", &path, Some(object), &Caller::default())?;
        Ok(answer.success().with_context(|| format!("POST {path}"))?.body)
    }

    /// Stores an object unless one with its name exists, with whatever content.
    ///
    /// # Errors
    /// If the API server rejects it for any other reason.
    pub fn ensure(&self, path: &str, object: &Value) -> Result<()> {
        let answer = self.call("POST", path, Some(object), &Caller::default())?;
        if answer.status != 409 {
            answer.success().with_context(|| format!("POST {path}"))?;
        }
        Ok(())
    }

    /// Creates a namespace and its `default` account, which no controller creates if none runs.
    ///
    /// # Errors
    /// If the API server rejects one of them.
    pub fn ensure_namespace(&self, name: &str) -> Result<()> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.ensure("/api/v1/namespaces", &namespace)?;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        self.ensure(&format!("/api/v1/namespaces/{name}/serviceaccounts"), &account)
    }

    /// Deletes an object immediately; one that does not exist counts as deleted.
    ///
    /// # Errors
    /// If the API server does not delete it.
    pub fn delete(&self, path: &str) -> Result<()> {
        // By default, deleting a Job orphans its Pods.
        let now = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background",
        });
        let answer = self.call("DELETE", path, Some(&now), &Caller::default())?;
        if answer.status != 404 {
            answer.success().with_context(|| format!("DELETE {path}"))?;
        }
        Ok(())
    }

    /// Reads the kinds that the API server serves.
    ///
    /// # Errors
    /// If the API server does not list them.
    pub fn discover(&self) -> Result<Discovery> {
        let mut discovery = Discovery::default();
        discovery.read("/api/v1", &self.get("/api/v1")?);
        let groups = self.get("/apis")?;
        for group in groups.get("groups").and_then(Value::as_array).into_iter().flatten() {
            for version in group.get("versions").and_then(Value::as_array).into_iter().flatten() {
                if let Some(version) = version.get("groupVersion").and_then(Value::as_str) {
                    let root = format!("/apis/{version}");
                    discovery.read(&root, &self.get(&root)?);
                }
            }
        }
        Ok(discovery)
    }
}

impl Caller {
    /// The client's own user, with the mark of a policy.
    #[must_use]
    pub fn marked(mark: &str) -> Self {
        Self { user: None, mark: Some(mark.to_owned()) }
    }

    /// Another user.
    #[must_use]
    pub fn user(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Self { user: Some(UserInfo { username: name.to_owned(), groups, ..UserInfo::default() }), mark: None }
    }

    /// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation>
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: String, value: &str| headers.push((name, value.to_owned()));
        let own =
            UserInfo { username: "admin".to_owned(), groups: vec!["system:masters".to_owned()], ..UserInfo::default() };
        if self.user.is_none() && self.mark.is_none() {
            return headers;
        }
        let user = self.user.as_ref().unwrap_or(&own);
        add("Impersonate-User".to_owned(), &user.username);
        if !user.uid.is_empty() {
            add("Impersonate-Uid".to_owned(), &user.uid);
        }
        for group in &user.groups {
            add("Impersonate-Group".to_owned(), group);
        }
        for (key, values) in &user.extra {
            for value in values {
                add(format!("Impersonate-Extra-{}", percent_encode(key)), value);
            }
        }
        if let Some(mark) = &self.mark {
            add(format!("Impersonate-Extra-{MARK}"), mark);
        }
        headers
    }
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The texts of `Warning: 299 - "text"`
/// (<https://pkg.go.dev/k8s.io/apimachinery/pkg/util/net#ParseWarningHeaders>).
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("warning").iter();
    values.filter_map(|value| unquote(&String::from_utf8_lossy(value.as_bytes()))).collect()
}

fn unquote(header: &str) -> Option<String> {
    let (_, quoted) = header.split_once('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unquoted() {
        for (header, expected) in [
            (r#"299 - "plain""#, Some("plain")),
            (r#"299 - "a \"b\" \\ c""#, Some(r#"a "b" \ c"#)),
            (r#"299 - "“ä”""#, Some("“ä”")),
            (r#"299 - "no end"#, None),
            ("299 - none", None),
        ] {
            assert_eq!(unquote(header).as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn callers_are_impersonated() {
        assert_eq!(Caller::default().headers(), []);
        let mut caller = Caller::user("alice@example.com", &["a", "b"]);
        caller.mark = Some("p1".to_owned());
        if let Some(user) = &mut caller.user {
            user.extra.insert("example.com/Team".to_owned(), vec!["x".to_owned()]);
        }
        let headers = caller.headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("Impersonate-User", "alice@example.com"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Extra-example.com%2fTeam", "x"),
            ("Impersonate-Extra-sa-hygiene-policy", "p1"),
        ];
        assert_eq!(headers, expected);
    }
}
