// SPDX-License-Identifier: Apache-2.0

//! Which files are patches and not objects, according to the `kustomization.yaml` files around them
//! (<https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/>).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::input::parent;
use super::read;
use crate::yaml::parts;

/// The names that kustomize looks for, in its order.
pub(super) const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How many directories are searched, from the directory of a file upwards.
const LEVELS: usize = 12;

/// Maximum size of a kustomization, in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// What kustomizations list.
#[derive(Debug, Default)]
pub struct Kustomizations {
    /// The files that are listed as patches, each with the directory of its kustomization.
    patches: BTreeMap<PathBuf, PathBuf>,
    /// The files and directories that are listed as resources.
    resources: BTreeSet<PathBuf>,
    /// The directories of components, which only other kustomizations use.
    components: BTreeSet<PathBuf>,
}

impl Kustomizations {
    /// Reads the kustomizations in the directories of some files and in their parent directories, up to the root of the
    /// repository. An unreadable kustomization lists nothing; the error is reported when the kustomization itself is checked.
    pub fn of<'p>(files: impl Iterator<Item = &'p Path>) -> Self {
        let mut kustomizations = Self::default();
        let mut seen = BTreeSet::new();
        for file in files.filter(|file| file.as_os_str() != "-") {
            let mut folder = parent(file).to_owned();
            for _ in 0..LEVELS {
                if !seen.insert(folder.clone()) {
                    break;
                }
                for name in FILES {
                    kustomizations.add(&folder, &folder.join(name));
                }
                if folder.join(".git").exists() {
                    break;
                }
                match above(&folder) {
                    Some(next) => folder = next,
                    None => break,
                }
            }
        }
        kustomizations
    }

    fn add(&mut self, folder: &Path, file: &Path) {
        if !file.is_file() {
            return;
        }
        let Ok(text) = read::file(file, MAX_SIZE) else { return };
        for part in parts::of(&text) {
            let Some((_, kustomization)) = part.read(&text).ok().and_then(|read| read.document) else { continue };
            if kustomization.get("kind").and_then(Value::as_str) == Some("Component") {
                self.components.extend(folder.canonicalize());
            }
            for resource in resources(&kustomization) {
                // URLs are skipped, because they do not exist as files.
                self.resources.extend(folder.join(resource).canonicalize());
            }
            for patch in patches(&kustomization) {
                // Patches that do not exist are skipped.
                if let Ok(patch) = folder.join(patch).canonicalize() {
                    self.patches.entry(patch).or_insert_with(|| folder.to_owned());
                }
            }
        }
    }

    /// Whether a kustomization lists a file or directory as a resource or patch, so that its output contains it.
    pub(super) fn has_resource(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| self.resources.contains(&path) || self.patches.contains_key(&path))
    }

    /// Whether the kustomization of a directory is rendered on its own, and not as part of another one.
    pub(super) fn is_root(&self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else { return true };
        !self.resources.contains(&folder) && !self.components.contains(&folder)
    }

    /// The directory of the kustomization that lists a file as a patch.
    pub fn patched_by(&self, file: &Path) -> Option<&Path> {
        if self.patches.is_empty() {
            return None;
        }
        self.patches.get(&file.canonicalize().ok()?).map(PathBuf::as_path)
    }
}

/// The parent directory, as the user would write it.
fn above(folder: &Path) -> Option<PathBuf> {
    match folder.parent() {
        Some(next) if !next.as_os_str().is_empty() => Some(next.to_owned()),
        Some(_) if folder != Path::new(".") => Some(PathBuf::from(".")),
        _ if folder.is_absolute() => None,
        // Above the working directory.
        _ => std::path::absolute(folder).ok()?.parent().map(Path::to_owned),
    }
}

/// The files and directories from which a kustomization takes objects.
fn resources(kustomization: &Value) -> impl Iterator<Item = &str> {
    let list = |key: &str| kustomization.get(key).and_then(Value::as_array).into_iter().flatten();
    let listed = list("resources").chain(list("bases")).chain(list("components"));
    listed.filter_map(Value::as_str).filter(|path| !path.is_empty())
}

/// The files that a kustomization lists as patches, without inline patches.
fn patches(kustomization: &Value) -> impl Iterator<Item = &str> {
    let list = |key: &str| kustomization.get(key).and_then(Value::as_array).into_iter().flatten();
    let by_path = list("patches").chain(list("patchesJson6902")).filter_map(|patch| patch.get("path")?.as_str());
    let by_name = list("patchesStrategicMerge").filter_map(Value::as_str);
    by_path.chain(by_name).filter(|path| !path.is_empty() && !path.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_patches_from_any_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for name in ["base/web.yaml", "patches/a.yaml", "prod/b.yaml", "prod/c.json", "prod/d.yaml"] {
            write(name, "a: 1\n");
        }
        write(".git/HEAD", "");
        write("base/kustomization.yaml", "resources: [web.yaml]\n");
        write(
            "prod/kustomization.yml",
            "patches:\n- path: ../patches/a.yaml\n- patch: |-\n    kind: Pod\npatchesStrategicMerge:\n- b.yaml\n- |-\n  kind: Pod\npatchesJson6902:\n- {path: c.json, target: {kind: Pod}}\n",
        );
        let path = |name: &str| folder.path().join(name);
        let files = ["base/web.yaml", "patches/a.yaml", "prod/b.yaml", "prod/c.json", "prod/d.yaml"].map(path);
        let kustomizations = Kustomizations::of(files.iter().map(PathBuf::as_path));
        let found = files.each_ref().map(|file| kustomizations.patched_by(file).is_some());
        assert_eq!(found, [false, true, true, true, false]);
        assert_eq!(kustomizations.patched_by(&path("prod/b.yaml")), Some(path("prod").as_path()));
        // A file that is named on its own is still a patch.
        let alone = Kustomizations::of([path("prod/b.yaml").as_path()].into_iter());
        assert!(alone.patched_by(&path("prod/b.yaml")).is_some());
    }
}
