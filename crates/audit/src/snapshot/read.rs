// SPDX-License-Identifier: Apache-2.0

//! Reads lists of objects as `kubectl get -o json` prints them, item by item, so that the text is never completely in memory.

use std::fmt;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use policy_host::yaml;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Kind, Snapshot};
use crate::log::Source;

/// A file that could not be read completely, and why. The snapshot contains the objects before the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The file.
    pub file: String,
    /// The reason.
    pub why: String,
}

/// Reads files, folders of them, and `-` for standard input: the output of `kubectl get -o json` or `-o yaml`.
pub fn from_paths<P: AsRef<Path>>(paths: &[P], api_audiences: &[String]) -> (Snapshot, Vec<FileError>) {
    let mut snapshot = Snapshot::new(api_audiences);
    let mut errors = Vec::new();
    let sources = Source::list(paths).unwrap_or_else(|(path, error)| {
        errors.push(FileError { file: path.display().to_string(), why: error.to_string() });
        Vec::new()
    });
    let is_object_file = |name: &str| {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        Path::new(name)
            .extension()
            .is_some_and(|it| ["json", "yaml", "yml"].iter().any(|known| it.eq_ignore_ascii_case(known)))
    };
    for source in sources.iter().filter(|it| it.is_named || is_object_file(&it.name())) {
        if let Err(why) = add_file(source, &mut snapshot) {
            errors.push(FileError { file: source.name(), why });
        }
    }
    note_absent_kinds(&mut snapshot);
    (snapshot, errors)
}

/// Every cluster has objects of these kinds; if there are none, the input is incomplete.
fn note_absent_kinds(snapshot: &mut Snapshot) {
    for kind in [Kind::Pods, Kind::ServiceAccounts, Kind::RoleBindings, Kind::ClusterRoleBindings] {
        if !snapshot.counts.contains_key(&kind) {
            snapshot.unread.insert(kind, "not in the input".to_owned());
        }
    }
}

fn add_file(source: &Source, snapshot: &mut Snapshot) -> Result<(), String> {
    let mut content = source.open(|_| ()).map_err(|error| error.to_string())?;
    // JSON starts with a brace, possibly after whitespace or a byte order mark.
    let mut start = Vec::new();
    (&mut content).take(64).read_to_end(&mut start).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&start);
    let is_json = text.trim_start_matches(|it: char| it.is_whitespace() || it == '\u{feff}').starts_with('{');
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start).to_vec();
    let mut content = Cursor::new(start).chain(content);
    if is_json {
        let reader = BufReader::with_capacity(1 << 16, content);
        return documents(reader, None, snapshot).map(drop).map_err(|error| without_values(&error));
    }
    let mut text = String::new();
    content.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let documents = yaml::load_str(&text, "").map_err(|error| error.to_string())?;
    for document in yaml::flatten_lists(documents) {
        snapshot.add(&document.value.to_string(), None);
    }
    Ok(())
}

/// The error in a JSON text and its position, without any part of the text.
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => return error.to_string(),
        serde_json::error::Category::Eof => "ends in the middle of an object",
        serde_json::error::Category::Syntax => "is not valid JSON",
        serde_json::error::Category::Data => "is not a list of objects",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// Reads consecutive JSON documents: objects, and lists of them. Returns the continue token of the last list.
pub(super) fn documents(
    reader: impl Read,
    kind: Option<Kind>,
    snapshot: &mut Snapshot,
) -> Result<Option<String>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut continue_token = None;
    while deserializer.end().is_err() {
        continue_token = Document { kind, snapshot: &mut *snapshot }.deserialize(&mut deserializer)?;
    }
    Ok(continue_token)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListMetadata {
    #[serde(rename = "continue", deserialize_with = "policy_host::json::null_as_default")]
    continue_token: String,
}

/// An object or a list.
struct Document<'s> {
    kind: Option<Kind>,
    snapshot: &'s mut Snapshot,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        let mut is_list = false;
        let text = |fields: &[(String, Box<RawValue>)], key: &str| {
            let (_, value) = fields.iter().find(|(it, _)| it == key)?;
            serde_json::from_str::<String>(value.get()).ok()
        };
        while let Some(key) = map.next_key::<String>()? {
            if key != "items" {
                fields.push((key, map.next_value()?));
                continue;
            }
            is_list = true;
            let kind = text(&fields, "kind").and_then(|kind| {
                Kind::of(&text(&fields, "apiVersion").unwrap_or_default(), kind.strip_suffix("List")?)
            });
            self.kind = self.kind.or(kind);
            map.next_value_seed(Items { kind: self.kind, snapshot: &mut *self.snapshot })?;
        }
        if !is_list {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{}:{}", serde_json::json!(key), value.get())).collect();
            self.snapshot.add(&format!("{{{}}}", fields.join(",")), self.kind);
            return Ok(None);
        }
        let metadata = fields.iter().find(|(key, _)| key == "metadata");
        let metadata: ListMetadata =
            metadata.and_then(|(_, value)| serde_json::from_str(value.get()).ok()).unwrap_or_default();
        Ok(Some(metadata.continue_token).filter(|it| !it.is_empty()))
    }
}

struct Items<'s> {
    kind: Option<Kind>,
    snapshot: &'s mut Snapshot,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Go writes an empty list as `null`.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            self.snapshot.add(item.get(), self.kind);
        }
        Ok(())
    }
}
