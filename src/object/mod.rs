// SPDX-License-Identifier: Apache-2.0
//! The structure of Kubernetes objects, as far as rules read or change them.
//! Only this module handles their JSON.

pub mod container;
pub mod data;
pub mod edit;
pub mod env;
pub mod identity_grant;
pub mod json;
pub mod kinds;
pub mod legacy_token;
pub mod meta;
pub mod persistent_volume;
pub mod pod;
pub mod rbac;
pub mod secret;
pub mod service_account;
pub mod token_request;
pub mod view;

use view::{Members, Raw, ReadError};

/// The JSON text at the end of `steps`, if there is any.
///
/// # Errors
/// [`ReadError`] when something on the way is not an object.
pub fn descend<'a>(text: &'a str, steps: &[&str], base: &str) -> Result<Option<&'a str>, ReadError> {
    let mut text = text;
    let mut path = base.to_owned();
    for step in steps {
        let members: Members<'a, Raw<'a>> = view::read(text, &path)?;
        match members.find(step).and_then(|value| value.text()) {
            Some(value) => text = value,
            None => return Ok(None),
        }
        path.push('.');
        path.push_str(step);
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::descend;

    #[test]
    fn descends_to_cron_job_template() {
        let text = r#"{"spec":{"jobTemplate":{"spec":{"template": {"a":1}}}}}"#;
        let steps = ["spec", "jobTemplate", "spec", "template"];
        assert_eq!(descend(text, &steps, "object"), Ok(Some(r#"{"a":1}"#)));
        assert_eq!(descend(r#"{"spec":null}"#, &steps, "object"), Ok(None));
        assert_eq!(
            descend(r#"{"spec":{"jobTemplate":[]}}"#, &steps, "object").unwrap_err().to_string(),
            "object.spec.jobTemplate: must be an object, is a list"
        );
    }
}
