// SPDX-License-Identifier: Apache-2.0

//! The binaries of a control plane. They are not part of this project, and are not downloaded.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with `etcd` and `kube-apiserver`; envtest and `setup-envtest` use the same variable
/// (<https://book.kubebuilder.io/reference/envtest>).
pub const KUBEBUILDER_ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The path of `policy-server`, if it is not on `PATH`.
pub const POLICY_SERVER: &str = "POLICY_SERVER";

/// The binaries.
#[derive(Debug, Clone)]
pub struct Assets {
    /// `etcd`.
    pub etcd: PathBuf,
    /// `kube-apiserver`.
    pub api_server: PathBuf,
    /// `kube-controller-manager`, which is not part of envtest.
    pub controller_manager: Option<PathBuf>,
    /// `kubectl`, which is part of envtest.
    pub kubectl: Option<PathBuf>,
    /// Kubewarden's `policy-server`.
    pub policy_server: PathBuf,
}

/// A binary that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub binary: &'static str,
    /// Where to get it.
    pub source: &'static str,
}

impl Missing {
    /// The controller manager, which is optional.
    #[must_use]
    pub fn controller_manager() -> Self {
        Self { binary: "kube-controller-manager", source: CONTROLLER_MANAGER }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` not found: {}", self.binary, self.source)
    }
}

impl std::error::Error for Missing {}

const ENVTEST: &str = "set KUBEBUILDER_ASSETS to a folder with it, as `setup-envtest use -p path` prints \
    (go install sigs.k8s.io/controller-runtime/tools/setup-envtest@latest)";

const CONTROLLER_MANAGER: &str = "setup-envtest has none; put the one of the same release of Kubernetes into the folder \
    (https://dl.k8s.io/release/<version>/bin/<os>/<arch>/kube-controller-manager)";

const KUBEWARDEN: &str = "put it on PATH or set POLICY_SERVER; it is in the image ghcr.io/kubewarden/adm-controller/policy-server and \
    in the releases of https://github.com/kubewarden/kubewarden-controller";

impl Assets {
    /// Looks for the binaries in the folders that the environment names.
    ///
    /// # Errors
    /// The first binary that was not found.
    pub fn find() -> Result<Self, Missing> {
        let assets = env::var_os(KUBEBUILDER_ASSETS).map(PathBuf::from);
        Self::find_in(assets.as_deref(), env::var_os(POLICY_SERVER).as_deref(), &search_path())
    }

    fn find_in(assets: Option<&Path>, policy_server: Option<&OsStr>, path: &[PathBuf]) -> Result<Self, Missing> {
        let in_assets = |name: &str| assets.map(|folder| folder.join(name)).filter(|file| file.is_file());
        let need = |binary| in_assets(binary).ok_or(Missing { binary, source: ENVTEST });
        let policy_server = match policy_server {
            Some(file) => Some(PathBuf::from(file)).filter(|file| file.is_file()),
            None => path.iter().map(|folder| folder.join("policy-server")).find(|file| file.is_file()),
        };
        Ok(Self {
            etcd: need("etcd")?,
            api_server: need("kube-apiserver")?,
            controller_manager: in_assets("kube-controller-manager"),
            kubectl: in_assets("kubectl"),
            policy_server: policy_server.ok_or(Missing { binary: "policy-server", source: KUBEWARDEN })?,
        })
    }

    /// The versions of the binaries, in one line.
    #[must_use]
    pub fn versions(&self) -> String {
        let mut versions = vec![version(&self.api_server), version(&self.etcd), version(&self.policy_server)];
        versions.extend(self.controller_manager.as_deref().map(|_| "kube-controller-manager".to_owned()));
        versions.join(", ")
    }
}

fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn version(binary: &Path) -> String {
    let name = binary.file_name().unwrap_or_default().display();
    let output = Command::new(binary).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    // The first word that is a version number.
    let is_number = |word: &&str| word.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit());
    let number = text.split_whitespace().find(is_number).unwrap_or("of unknown version");
    format!("{name} {number}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let find = || Assets::find_in(Some(folder.path()), None, &[folder.path().to_owned()]);
        for binary in ["etcd", "kube-apiserver", "policy-server"] {
            assert_eq!(find().unwrap_err().binary, binary);
            fs::write(folder.path().join(binary), "").unwrap();
        }
        assert_eq!(find().unwrap().controller_manager, None);
        fs::write(folder.path().join("kube-controller-manager"), "").unwrap();
        assert!(find().unwrap().controller_manager.is_some());
    }

    #[test]
    fn named_policy_server() {
        let folder = tempfile::tempdir().unwrap();
        for binary in ["etcd", "kube-apiserver", "policy-server"] {
            fs::write(folder.path().join(binary), "").unwrap();
        }
        let found = Assets::find_in(Some(folder.path()), Some(OsStr::new("/nowhere")), &[folder.path().to_owned()]);
        assert_eq!(found.unwrap_err().binary, "policy-server");
    }
}
