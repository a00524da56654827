// SPDX-License-Identifier: Apache-2.0
//! Static credentials in `ConfigMaps` and Secrets. Values are searched as text,
//! whatever their format: JSON, YAML, INI. Of a Secret, only the names of its
//! keys are read, unless the settings say otherwise.
//!
//! The ID of an AWS access key alone gives no access, and what looks like a
//! secret can be anything: only both together are a finding.
//! <https://github.com/DataDog/managed-kubernetes-auditing-toolkit>

use super::access_key::{KEY_ID_PREFIXES, is_access_key_id, is_secret};
use crate::fast::word;
use crate::object::data::{Data, Entry};
use crate::object::view::ReadError;
use crate::rules::shared::cloud::{Cloud, GOOGLE_KEY};

/// An entry that contains a credential.
#[derive(Debug, Clone)]
pub struct Location {
    /// The field of the object.
    pub field: &'static str,
    /// The key.
    pub key: String,
    /// The value as JSON, to tell one credential from another. Never shown.
    pub raw: String,
}

impl Location {
    fn of(entry: &Entry<'_>) -> Self {
        Self { field: entry.field, key: entry.key.to_owned(), raw: entry.raw().to_owned() }
    }
}

/// What is found in an object.
#[derive(Debug, Default)]
pub struct Found {
    has_key_id: bool,
    /// Entries with what may be the secret of an AWS access key.
    secrets: Vec<Location>,
    /// Entries with other credentials: which cloud, and whether the value shows it.
    pub others: Vec<(Location, Cloud, bool)>,
}

impl Found {
    /// The entries with AWS access keys: those with their secrets. All of them,
    /// because an old one must not hide one that an UPDATE adds.
    #[must_use]
    pub fn access_keys(&self) -> &[Location] {
        if self.has_key_id { &self.secrets } else { &[] }
    }
}

/// Searches an object.
///
/// # Errors
/// [`ReadError`] when the data have the wrong shape.
pub fn search(data: &Data<'_>, base: &str, reads_values: bool) -> Result<Found, ReadError> {
    let mut found = Found::default();
    data.each(base, &mut |entry| {
        if !entry.is_set() {
            return Ok(());
        }
        let is_searched = reads_values && entry.may_hold(&WORDS);
        match known(entry.key) {
            Some((name, Cloud::AWS)) if name.contains("ACCESS_KEY_ID") || name == "AWS_ACCESS_KEY" => {
                found.has_key_id = true;
            }
            Some((name, Cloud::AWS)) if name.contains("SECRET") => found.secrets.push(Location::of(&entry)),
            // A session token is useless without the other two.
            Some((name, Cloud::AWS)) if !name.contains("BEARER") => {}
            // The value shows whether it is a credential.
            Some((GOOGLE_KEY, _)) if reads_values => {}
            Some((_, cloud)) => found.others.push((Location::of(&entry), cloud, false)),
            None => {}
        }
        if !is_searched {
            return Ok(());
        }
        let Some(text) = entry.text(base)? else { return Ok(()) };
        found.has_key_id |= parts(&text).any(is_access_key_id);
        // `private_key` alone may be that of a TLS certificate.
        if GOOGLE_KEY_WORDS.iter().all(|part| word::any(&[part], &text)) {
            found.others.push((Location::of(&entry), Cloud::GOOGLE, true));
        }
        Ok(())
    })?;
    // Few objects contain an ID, and only those are searched for a secret.
    if found.has_key_id && reads_values {
        data.each(base, &mut |entry| {
            let is_named = matches!(known(entry.key), Some((name, Cloud::AWS)) if name.contains("SECRET"));
            if !is_named && entry.text(base)?.is_some_and(|text| parts(&text).any(is_secret)) {
                found.secrets.push(Location::of(&entry));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// A value without any of these is not searched: it contains neither the ID of
/// an access key nor a Google key file. An escape may stand for a letter.
const WORDS: [&str; 4] = [KEY_ID_PREFIXES[0], KEY_ID_PREFIXES[1], "service_account", "\\u"];

/// The variable of a cloud that a key corresponds to, in any spelling.
fn known(key: &str) -> Option<(&'static str, Cloud)> {
    Cloud::all().find_map(|cloud| {
        let name = cloud.credentials().iter().find(|name| letters(name).eq(letters(key)))?;
        Some((*name, cloud))
    })
}

/// A name without the differences between spellings.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

/// The parts of a text that may be an ID or a secret.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '/' | '+'))
}

/// Texts that every key file of a Google service account contains, also inside another document: as a string in JSON, or as
/// YAML.
/// <https://cloud.google.com/iam/docs/keys-create-delete>
const GOOGLE_KEY_WORDS: [&str; 3] = ["private_key", "PRIVATE KEY-----", "service_account"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::data::DataObject;
    use crate::object::view;
    use rstest::rstest;
    use serde_json::{Value, json};

    const ID: &str = "AKIAQYLPMN5HHHFPZAM2";
    const SECRET: &str = "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";

    fn found(object: &Value, is_secret: bool, reads_values: bool) -> (Option<String>, Vec<String>) {
        let text = object.to_string();
        let object: DataObject<'_> = view::read(&text, "object").unwrap();
        let found = search(&Data::of(&object, is_secret), "object", reads_values).unwrap();
        let named = |location: &Location| format!("{}.{}", location.field, location.key);
        let others = found.others.iter().map(|(location, cloud, _)| format!("{}: {}", named(location), cloud.name()));
        (found.access_keys().first().map(named), others.collect())
    }

    fn config_map(data: &Value) -> (Option<String>, Vec<String>) {
        found(&json!({"data": data}), false, true)
    }

    #[rstest]
    #[case::two_keys(json!({"id": ID, "key": SECRET}), Some("data.key"))]
    #[case::ini(json!({"credentials": format!("[default]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n")}), Some("data.credentials"))]
    #[case::json_inside(json!({"config.json": format!("{{\"id\":\"{ID}\",\"secret\":\"{SECRET}\"}}")}), Some("data.config.json"))]
    #[case::yaml_inside(json!({"values.yaml": format!("aws:\n  id: {ID}\n  secret: '{SECRET}'\n")}), Some("data.values.yaml"))]
    #[case::by_names(json!({"AWS_ACCESS_KEY_ID": "$(ID)", "aws-secret-access-key": "x"}), Some("data.aws-secret-access-key"))]
    #[case::id_alone(json!({"id": ID}), None)]
    #[case::secret_alone(json!({"key": SECRET}), None)]
    #[case::digest_beside_an_id(json!({"id": ID, "commit": "751a410c350a6135abe6a5b471cb0f9ba1a751a410"}), None)]
    #[case::longer(json!({"id": ID, "key": format!("{SECRET}A")}), None)]
    #[case::shorter(json!({"id": ID, "key": SECRET.trim_start_matches('1')}), None)]
    #[case::id_inside_a_word(json!({"id": format!("x{ID}"), "key": SECRET}), None)]
    #[case::id_behind_the_secret(json!({"a": SECRET, "b": ID}), Some("data.a"))]
    #[case::no_value(json!({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}), None)]
    fn access_keys(#[case] data: Value, #[case] expected: Option<&str>) {
        assert_eq!(config_map(&data), (expected.map(str::to_owned), Vec::new()));
    }

    /// An old key must not hide another one.
    #[test]
    fn every_access_key() {
        let text =
            json!({"data": {"AWS_SECRET_ACCESS_KEY": "x", "a": format!("{ID} {SECRET}"), "b": SECRET}}).to_string();
        let object: DataObject<'_> = view::read(&text, "object").unwrap();
        let found = search(&Data::of(&object, false), "object", true).unwrap();
        let keys: Vec<&str> = found.access_keys().iter().map(|location| location.key.as_str()).collect();
        assert_eq!(keys, ["AWS_SECRET_ACCESS_KEY", "a", "b"]);
    }

    /// A leading byte that is not UTF-8 (`ff`) hides nothing.
    #[test]
    fn binary_data() {
        let encoded = "/wpBS0lBUVlMUE1ONUhISEZQWkFNMgoxdFVtNjM2dVMxeU9FQXpGMnNqZHFwZXhBTXBsM0FCQ3orazdYeVFiCg==";
        let object = json!({"binaryData": {"credentials": encoded}});
        assert_eq!(found(&object, false, true), (Some("binaryData.credentials".to_owned()), Vec::new()));
    }

    #[rstest]
    #[case(json!({"key.json": "{\"type\": \"service_account\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n\"}"}), &["data.key.json: Google Cloud"])]
    #[case(json!({"key.json": "{\"type\": \"external_account\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n\"}"}), &[])]
    #[case(json!({"config.json": r#"{"google": "{\"type\": \"service_account\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n\"}"}"#}), &["data.config.json: Google Cloud"])]
    #[case(json!({"values.yaml": "google:\n  type: service_account\n  private_key: |\n    -----BEGIN PRIVATE KEY-----\n"}), &["data.values.yaml: Google Cloud"])]
    #[case(json!({"values.yaml": "type: service_account\nprivate_key: from-vault\n"}), &[])]
    #[case(json!({"tls.key": "-----BEGIN PRIVATE KEY-----"}), &[])]
    #[case(json!({"AZURE_CLIENT_SECRET": "x", "azure-client-secret": "x", "azure.clientSecret": "x", "client-secret": "x"}),
        &["data.AZURE_CLIENT_SECRET: Azure", "data.azure-client-secret: Azure", "data.azure.clientSecret: Azure"])]
    #[case(json!({"AWS_BEARER_TOKEN_BEDROCK": "x", "AWS_SESSION_TOKEN": "x"}), &["data.AWS_BEARER_TOKEN_BEDROCK: AWS"])]
    fn other_keys(#[case] data: Value, #[case] expected: &[&str]) {
        assert_eq!(config_map(&data).1, expected);
    }

    #[test]
    fn of_a_secret_only_names_are_read() {
        let id = "QUtJQVFZTFBNTjVISEhGUFpBTTI=";
        let secret = "MXRVbTYzNnVTMXlPRUF6RjJzamRxcGV4QU1wbDNBQkN6K2s3WHlRYg==";
        let values = json!({"data": {"id": id, "key": secret}});
        assert_eq!(found(&values, true, false), (None, Vec::new()));
        assert_eq!(found(&values, true, true).0.as_deref(), Some("data.key"));
        let names = json!({"data": {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA==", "GOOGLE_APPLICATION_CREDENTIALS_JSON": "eA=="}});
        assert_eq!(
            found(&names, true, false),
            (
                Some("data.AWS_SECRET_ACCESS_KEY".to_owned()),
                vec!["data.GOOGLE_APPLICATION_CREDENTIALS_JSON: Google Cloud".to_owned()]
            )
        );
    }
}
