// SPDX-License-Identifier: Apache-2.0
//! Exactly what the EKS Pod identity webhook adds.

use crate::engine::context::ReviewError;
use crate::object::env::named;
use crate::object::json::write_string;
use crate::object::pod::Container;
use crate::rules::shared::cloud::{AWS_CONTAINER_TOKEN_FILE, AWS_CONTAINER_URI, AWS_ROLE, AWS_TOKEN_FILE};

/// One of the two ways to get a role.
#[derive(Debug)]
pub struct IdentityMethod {
    /// The name of the volume with the token.
    pub volume: &'static str,
    /// The token's file in it.
    pub file: &'static str,
    /// Where it is mounted, unless the settings specify it.
    pub directory: &'static str,
    /// The audience of the token, unless the account or the settings specify it.
    pub audience: &'static str,
    /// The variables; the second one names the token.
    variables: [&'static str; 2],
}

/// IAM roles for service accounts.
/// <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>
pub static IRSA: IdentityMethod = IdentityMethod {
    volume: "aws-iam-token",
    file: "token",
    directory: "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    audience: "sts.amazonaws.com",
    variables: [AWS_ROLE, AWS_TOKEN_FILE],
};

/// EKS Pod Identity: an agent on the node provides the credentials.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html>
pub static POD_IDENTITY: IdentityMethod = IdentityMethod {
    volume: "eks-pod-identity-token",
    file: "eks-pod-identity-token",
    directory: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    audience: "pods.eks.amazonaws.com",
    variables: [AWS_CONTAINER_URI, AWS_CONTAINER_TOKEN_FILE],
};

/// The URL of the agent.
const AGENT: &str = "http://169.254.170.23/v1/credentials";

/// The default lifetime, and by how much the webhook may shorten it at random,
/// so that not all tokens are renewed at once: up to two hours.
const DEFAULT_SECONDS: i64 = 86_400;
const SPREAD_SECONDS: i64 = 7_200;

const STS: &str = "AWS_STS_REGIONAL_ENDPOINTS";
const REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

impl IdentityMethod {
    /// Whether it is IRSA.
    #[must_use]
    pub fn is_irsa(&self) -> bool {
        self.volume == IRSA.volume
    }

    /// Shortens the default lifetime. The randomness is derived from the request,
    /// so that the same request gets the same response.
    #[must_use]
    pub fn spread(&self, seconds: i64, uid: &str) -> i64 {
        if self.is_irsa() || seconds != DEFAULT_SECONDS {
            return seconds;
        }
        // FNV-1a.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let chance = uid.bytes().fold(0x811c_9dc5, mix);
        DEFAULT_SECONDS - i64::from(chance) % (SPREAD_SECONDS + 1)
    }
}

/// What a Pod gets.
#[derive(Debug)]
pub struct Injection<'s> {
    /// The way to the role.
    pub method: &'static IdentityMethod,
    /// The role; with Pod Identity, the agent knows it.
    pub role: String,
    /// Where the token is mounted.
    pub directory: &'s str,
    /// Its audience.
    pub audience: &'s str,
    /// Its lifetime.
    pub seconds: i64,
    /// The region; empty if none is injected.
    pub region: &'s str,
    /// Whether SDKs are told to call STS in their region.
    pub is_regional: bool,
    /// Whether the token's path is a Windows path.
    pub is_windows: bool,
}

impl Injection<'_> {
    /// The volume, as JSON.
    #[must_use]
    pub fn volume(&self) -> String {
        let mut json = String::new();
        write(r#"{"name":"#, self.method.volume, &mut json);
        write(r#","projected":{"sources":[{"serviceAccountToken":{"audience":"#, self.audience, &mut json);
        json.push_str(r#","expirationSeconds":"#);
        json.push_str(&self.seconds.to_string());
        write(r#","path":"#, self.method.file, &mut json);
        json.push_str("}}]}}");
        json
    }

    /// Its mount, as JSON.
    #[must_use]
    pub fn mount(&self) -> String {
        let mut json = String::new();
        write(r#"{"name":"#, self.method.volume, &mut json);
        write(r#","readOnly":true,"mountPath":"#, self.directory, &mut json);
        json.push('}');
        json
    }

    /// The variables that a container lacks, as JSON separated by commas.
    /// `None` if it has them all: then the webhook does not even mount the
    /// token. It compares only names, and completes no pair.
    ///
    /// # Errors
    /// [`ReviewError`] when the environment cannot be read.
    pub fn env(&self, container: &Container<'_>, path: &dyn Fn() -> String) -> Result<Option<String>, ReviewError> {
        let variables = container.read_env(path)?;
        let has = |names: &[&str]| names.iter().any(|name| named(&variables, name).is_some());
        let (has_pair, has_region, has_sts) = (has(&self.method.variables), has(&REGIONS), has(&[STS]));
        if has_pair && has_region && has_sts {
            return Ok(None);
        }
        let mut json = String::new();
        if self.is_regional && !has_sts {
            variable(STS, "regional", &mut json);
        }
        if !self.region.is_empty() && !has_region {
            for name in REGIONS {
                variable(name, self.region, &mut json);
            }
        }
        if !has_pair {
            let [first, second] = self.method.variables;
            variable(first, if self.method.is_irsa() { &self.role } else { AGENT }, &mut json);
            let mut path = [self.directory, "/", self.method.file].concat();
            if self.is_windows {
                // The mount path keeps its slashes.
                path = ["C:", &path.replace('/', "\\")].concat();
            }
            variable(second, &path, &mut json);
        }
        Ok(Some(json))
    }
}

#[inline(never)]
fn variable(name: &str, value: &str, json: &mut String) {
    if !json.is_empty() {
        json.push(',');
    }
    write(r#"{"name":"#, name, json);
    write(r#","value":"#, value, json);
    json.push('}');
}

#[inline(never)]
fn write(before: &str, text: &str, json: &mut String) {
    json.push_str(before);
    write_string(text, json);
}
