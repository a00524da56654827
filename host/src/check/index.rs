// SPDX-License-Identifier: Apache-2.0

//! The objects that must be known before the first object is checked: the ServiceAccounts, Namespaces, Roles and bindings in
//! all files.

use memchr::memmem;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::input::Inputs;
use super::source::SourceFile;
use crate::json::text_at;
use crate::rbac;
use crate::yaml::parts::Part;

/// The kinds that the checks of other objects depend on.
const KINDS: [&str; 6] = ["ServiceAccount", "Namespace", "RoleBinding", "ClusterRoleBinding", "Role", "ClusterRole"];

/// The objects of [`KINDS`] in the files. Unreadable documents are reported later, by the check.
pub fn of(inputs: &Inputs) -> Vec<Value> {
    let of_file = |file: SourceFile| -> Vec<Value> {
        if file.patch_of.is_some() {
            return Vec::new();
        }
        let candidates: Vec<&Part> = file.parts().iter().filter(|part| may_hold(part.text(&file.text))).collect();
        let found = candidates.par_iter().flat_map_iter(|part| {
            let objects = file.part(part).read().objects.into_iter().map(|manifest| manifest.object);
            objects.filter(is_of_interest).collect::<Vec<_>>()
        });
        found.collect()
    };
    let found: Vec<Vec<Value>> =
        inputs.files.par_iter().map(|input| inputs.read(input).map(of_file).unwrap_or_default()).collect();
    found.into_iter().flatten().collect()
}

/// Whether a document may contain such an object; most can be ruled out by their bytes. A kind that is written with escapes
/// contains a backslash, and a kind in base64 has the tag `binary`.
fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    KINDS.iter().any(|kind| memmem::find(bytes, kind.as_bytes()).is_some())
        || memchr::memchr(b'\\', bytes).is_some()
        || memmem::find(bytes, b"binary").is_some()
}

fn is_of_interest(object: &Value) -> bool {
    let text = |pointer: &str| text_at(object, pointer);
    let is_rbac = text("/apiVersion")
        .is_some_and(|version| version.split_once('/').is_some_and(|(group, _)| group == rbac::API_GROUP));
    text("/kind").is_some_and(|kind| {
        KINDS.contains(&kind)
            && match kind {
                "ServiceAccount" | "Namespace" => text("/apiVersion") == Some("v1"),
                _ => is_rbac,
            }
    }) && text("/metadata/name").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_accounts() {
        for kind in [
            "ServiceAccount",
            "'ServiceAccount'",
            "\"Service\\x41ccount\"",
            "\"Service\\\n  Account\"",
            "!!binary U2VydmljZUFjY291bnQ=",
        ] {
            let text = format!("apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert_eq!(of(&Inputs::of_text("x.yaml", &text)).len(), 1, "{kind}");
        }
        let nameless = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ''}\n";
        assert_eq!(of(&Inputs::of_text("x.yaml", nameless)), Vec::<Value>::new());
    }
}
