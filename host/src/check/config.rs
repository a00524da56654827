// SPDX-License-Identifier: Apache-2.0

//! The configuration file of `check`, `.sa-hygiene.yaml`. It sets options of the command line, next to the manifests.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde_json::Value;
use serviceaccount_hygiene::matching::closest::closest_match;

use super::report::FailOn;
use super::settings::{Problems, Source};
use crate::shown;
use crate::yaml;

/// The name of the file.
pub const NAME: &str = ".sa-hygiene.yaml";

/// The content of the file, for its schema (`docs/check-config.schema.json`). Paths are relative to its directory.
#[cfg(feature = "schema")]
#[derive(Debug, JsonSchema)]
#[schemars(title = ".sa-hygiene.yaml", rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema is made from it; the reader reports every mistake, which a derived one does not"
)]
struct Content {
    /// The policy's settings, or the path of a file with them. Its schema is settings.schema.json.
    settings: Option<InlineOrPath>,
    /// Manifests of policies, as in the cluster: files and directories. Cannot be combined with `settings`.
    policy_manifests: Option<Vec<String>>,
    /// Objects that exist in the cluster: files and directories.
    cluster: Option<Vec<String>>,
    /// Namespace of objects that do not set one.
    namespace: Option<String>,
    /// Files and directories that are not checked: patterns in the syntax of .gitignore.
    exclude: Option<Vec<String>>,
    /// Rules whose findings are reported; by default, all rules.
    select: Option<Vec<String>>,
    /// Rules whose findings are not reported.
    ignore: Option<Vec<String>>,
    /// The least severe result that makes the command fail.
    fail_on: Option<FailOn>,
    /// The baseline: a file with findings that do not count.
    baseline: Option<String>,
    /// The output format.
    output: Option<Output>,
}

/// Settings, or the path of a file.
#[cfg(feature = "schema")]
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema is made from it")]
enum InlineOrPath {
    /// The path of a file.
    Path(String),
    /// The settings themselves.
    Inline(serde_json::Map<String, Value>),
}

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "lowercase"))]
pub enum Output {
    /// Text: findings by file, with their lines
    #[default]
    Text,
    /// One JSON document (docs/check.schema.json)
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// XML, for test reports
    Junit,
    /// Annotations for GitHub workflows
    Github,
}

/// A configuration that was read. Its paths can be opened as they are.
#[derive(Debug, Default)]
pub struct Config {
    /// The file; `None` if there is none.
    pub path: Option<PathBuf>,
    /// The path of a settings file.
    pub settings_file: Option<PathBuf>,
    /// Inline settings, and their location.
    pub settings: Option<(Value, Source)>,
    /// Files and directories with policies.
    pub policy_manifests: Vec<PathBuf>,
    /// Files and directories with objects.
    pub cluster: Vec<PathBuf>,
    /// Namespace of objects that do not set one.
    pub namespace: Option<String>,
    /// Patterns of files that are not checked, relative to the directory of the configuration file.
    pub exclude: Vec<String>,
    /// IDs of the rules whose findings are reported.
    pub select: Vec<String>,
    /// IDs of the rules whose findings are not reported.
    pub ignore: Vec<String>,
    /// The least severe result that makes the command fail.
    pub fail_on: Option<FailOn>,
    /// The baseline: a file with findings that do not count.
    pub baseline: Option<PathBuf>,
    /// The output format.
    pub output: Option<Output>,
}

/// The configuration file in the directory of a checked path or in the nearest parent directory that has one, up to the root of
/// the repository.
fn above(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let start = if absolute.is_dir() { absolute.as_path() } else { absolute.parent()? };
    for folder in start.ancestors() {
        let file = folder.join(NAME);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// A path as the user would write it.
fn relative(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned)).unwrap_or(path)
}

impl Config {
    /// The configuration file in the directories of the checked paths or above them; the default if there is none.
    pub fn find<'p>(paths: impl Iterator<Item = &'p Path>) -> Result<Self> {
        let mut found: Vec<PathBuf> = paths.filter_map(above).map(relative).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Ok(Self::default()),
            [path] => Self::read(path),
            [first, second, ..] => bail!(
                "the checked paths have several configuration files, among them {} and {}; check them one after the other, or \
                 choose one with --config",
                shown::path(first),
                shown::path(second)
            ),
        }
    }

    /// Reads a file. The error lists every mistake with its line.
    pub fn read(path: &Path) -> Result<Self> {
        let (file, text) = yaml::read_file(path)?;
        let mut documents = yaml::load_str(&text, &file)?.into_iter();
        let mut reader = Reader {
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            source: Source::of_file(&file, &text),
            problems: Vec::new(),
        };
        let mut config = Self { path: Some(path.to_owned()), ..Self::default() };
        match (documents.next(), documents.next()) {
            (_, Some(second)) => {
                return Err(second.error("unexpected second document; a configuration has only one").into());
            }
            (None, None) => {}
            (Some(document), None) => match document.value {
                Value::Object(fields) => {
                    for (key, value) in fields {
                        reader.field(&mut config, &key, value);
                    }
                }
                _ => return Err(document.error("a configuration must be a mapping").into()),
            },
        }
        if !config.policy_manifests.is_empty() && (config.settings.is_some() || config.settings_file.is_some()) {
            reader.problem("policyManifests", "cannot be combined with settings: the settings are in the manifests");
        }
        if reader.problems.is_empty() { Ok(config) } else { Err(Problems::sorted(reader.problems).into()) }
    }
}

/// The keys of the file.
const KEYS: [&str; 10] = [
    "settings",
    "policyManifests",
    "cluster",
    "namespace",
    "exclude",
    "select",
    "ignore",
    "failOn",
    "baseline",
    "output",
];

struct Reader {
    folder: PathBuf,
    source: Source,
    problems: Vec<(String, String)>,
}

impl Reader {
    fn problem(&mut self, path: &str, text: &str) {
        self.problems.push((self.source.location(path), format!("{path}: {text}")));
    }

    fn field(&mut self, config: &mut Config, key: &str, value: Value) {
        match key {
            "settings" => match value {
                Value::String(path) if !path.is_empty() => config.settings_file = Some(self.folder.join(path)),
                Value::Object(_) => config.settings = Some((value, self.source.clone().below(&["settings"]))),
                _ => self.problem(key, "must be a mapping, or the path of a file"),
            },
            "policyManifests" => config.policy_manifests = self.paths(key, value),
            "cluster" => config.cluster = self.paths(key, value),
            "namespace" => config.namespace = self.text(key, value),
            "exclude" => config.exclude = self.texts(key, value),
            "select" => config.select = self.rules(key, value),
            "ignore" => config.ignore = self.rules(key, value),
            "failOn" => config.fail_on = self.choice(key, value),
            "baseline" => config.baseline = self.text(key, value).map(|path| self.folder.join(path)),
            "output" => config.output = self.choice(key, value),
            _ => {
                let shown = shown::text(key);
                let text = match closest_match(key, KEYS.iter().copied()) {
                    Some(suggestion) => format!("unknown key; did you mean `{suggestion}`?"),
                    None => format!("unknown key, must be one of {}", KEYS.join(", ")),
                };
                self.problem(&shown, &text);
            }
        }
    }

    fn text(&mut self, path: &str, value: Value) -> Option<String> {
        match value {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.problem(path, "must be a non-empty string");
                None
            }
        }
    }

    fn texts(&mut self, path: &str, value: Value) -> Vec<String> {
        let Value::Array(items) = value else {
            self.problem(path, "must be a list");
            return Vec::new();
        };
        let items = items.into_iter().enumerate();
        items.filter_map(|(index, item)| self.text(&format!("{path}[{index}]"), item)).collect()
    }

    fn paths(&mut self, path: &str, value: Value) -> Vec<PathBuf> {
        let texts = self.texts(path, value);
        texts.into_iter().map(|text| self.folder.join(text)).collect()
    }

    fn rules(&mut self, path: &str, value: Value) -> Vec<String> {
        let rules = self.texts(path, value);
        for (index, rule) in rules.iter().enumerate() {
            if let Err(text) = super::selection::Selection::new(std::slice::from_ref(rule), &[]) {
                self.problem(&format!("{path}[{index}]"), &text);
            }
        }
        rules
    }

    fn choice<T: clap::ValueEnum>(&mut self, path: &str, value: Value) -> Option<T> {
        let text = self.text(path, value)?;
        let names = T::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned()));
        let found = T::from_str(&text, false).ok();
        if found.is_none() {
            let names: Vec<String> = names.collect();
            self.problem(path, &format!("must be one of {}, is {}", names.join(", "), shown::text(&text)));
        }
        found
    }
}

/// The schema of the file.
#[cfg(feature = "schema")]
pub fn schema() -> Result<Value> {
    Ok(serde_json::to_value(schemars::schema_for!(Content))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path);
        config.map_err(|error| anyhow::anyhow!(error.to_string().replace(folder.path().to_str().unwrap(), "")))
    }

    #[test]
    fn reads_every_key() {
        let text = "settings: {phase: validating}\ncluster: [a]\nnamespace: team\nexclude: [b]\nselect: [role-arn]\nignore: [api-server]\nfailOn: warn\nbaseline: c\noutput: json\n";
        let config = read(text).unwrap();
        assert!(
            config.settings.is_some() && config.cluster[0].ends_with("a") && config.baseline.unwrap().ends_with("c")
        );
        assert_eq!(
            (config.namespace.as_deref(), config.fail_on, config.output),
            (Some("team"), Some(FailOn::Warn), Some(Output::Json))
        );
        assert_eq!((config.exclude.len(), config.select.len(), config.ignore.len()), (1, 1, 1));
        assert!(read("policyManifests: [p.yaml]\nsettings: s.yaml\n").is_err());
        assert!(read("settings: s.yaml\n").unwrap().settings_file.unwrap().ends_with("s.yaml"));
    }

    #[cfg(feature = "schema")]
    #[test]
    fn schema_has_every_key() {
        let mut keys: Vec<String> = schema().unwrap()["properties"].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        let mut expected = KEYS.to_vec();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }

    #[test]
    fn lines_of_mistakes() {
        let text = "failon: warn\noutput: xml\nexclude: a\nselect:\n- role-arm\ncluster: ['']\n";
        let error = read(text).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(
            lines,
            [
                "/.sa-hygiene.yaml:1:1: failon: unknown key; did you mean `failOn`?",
                "/.sa-hygiene.yaml:2:1: output: must be one of text, json, sarif, junit, github, is xml",
                "/.sa-hygiene.yaml:3:1: exclude: must be a list",
                "/.sa-hygiene.yaml:5:3: select[0]: unknown rule `role-arm`; did you mean `role-arn`?",
                "/.sa-hygiene.yaml:6:11: cluster[0]: must be a non-empty string",
            ]
        );
    }

    #[test]
    fn finds_file_upwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["repo/.git", "repo/deploy/web", "repo/other"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path(NAME), "").unwrap();
        assert_eq!(above(&path("repo/deploy/web")), None, "outside of the repository");
        std::fs::write(path("repo").join(NAME), "").unwrap();
        assert_eq!(above(&path("repo/deploy/web/a.yaml")), Some(path("repo").join(NAME)));
        std::fs::write(path("repo/deploy").join(NAME), "").unwrap();
        assert_eq!(above(&path("repo/deploy/web")), Some(path("repo/deploy").join(NAME)));
        let both = [path("repo/deploy/web"), path("repo/other")];
        let error = Config::find(both.iter().map(PathBuf::as_path)).unwrap_err().to_string();
        assert!(error.starts_with("the checked paths have several configuration files"), "{error}");
    }
}
