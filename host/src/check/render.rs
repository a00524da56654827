// SPDX-License-Identifier: Apache-2.0

//! `--render`: renders charts and kustomizations with their own tools. Nothing else in `check` runs a program.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shown;

/// The file that makes a directory a Helm chart.
pub(super) const CHART: &str = "Chart.yaml";

/// A directory that has to be rendered before it can be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Renderable {
    Chart(PathBuf),
    Kustomization(PathBuf),
}

impl Renderable {
    fn folder(&self) -> &Path {
        match self {
            Self::Chart(folder) | Self::Kustomization(folder) => folder,
        }
    }

    /// The command that checks it without `--render`.
    pub(super) fn hint(&self, namespace: &str) -> String {
        let (program, arguments) = self.commands(namespace).swap_remove(0);
        let mut words = vec![program.to_owned()];
        words.extend(arguments.iter().map(|it| quoted(&it.to_string_lossy())));
        let namespace =
            if matches!(self, Self::Chart(_)) { format!(" -n {}", quoted(namespace)) } else { String::new() };
        format!("{} | sa-hygiene check{namespace} -", words.join(" "))
    }

    /// The commands that render it. The first one whose program is installed is used.
    fn commands(&self, namespace: &str) -> Vec<(&'static str, Vec<OsString>)> {
        // A path that begins with a hyphen would be an option.
        let folder = |folder: &Path| -> OsString {
            if folder.as_os_str().as_encoded_bytes().starts_with(b"-") {
                Path::new(".").join(folder).into()
            } else {
                folder.into()
            }
        };
        match self {
            Self::Chart(path) => {
                let release = release_name(path);
                vec![("helm", vec!["template".into(), release.into(), folder(path), "-n".into(), namespace.into()])]
            }
            Self::Kustomization(path) => vec![
                ("kustomize", vec!["build".into(), folder(path)]),
                ("kubectl", vec!["kustomize".into(), folder(path)]),
            ],
        }
    }

    /// Its name in reports.
    pub(super) fn name(&self) -> String {
        format!("{} (rendered)", shown::path(self.folder()))
    }

    /// The rendered text.
    pub(super) fn render(&self, namespace: &str, max_size: u64) -> Result<String, String> {
        let commands = self.commands(namespace);
        for (program, arguments) in &commands {
            let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
            let output = match output {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("`{program}`: {error}")),
                Ok(output) => output,
            };
            if !output.status.success() {
                let error = String::from_utf8_lossy(&output.stderr);
                let error = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
                return Err(format!("`{program}` cannot render it: {error}"));
            }
            if u64::try_from(output.stdout.len()).is_ok_and(|size| size > max_size) {
                return Err(format!(
                    "rendered, it is larger than {} MB; --max-file-size raises the limit",
                    max_size >> 20
                ));
            }
            return String::from_utf8(output.stdout)
                .map_err(|_| format!("`{program}` printed output that is not UTF-8"));
        }
        let programs: Vec<String> = commands.iter().map(|(program, _)| format!("`{program}`")).collect();
        Err(format!("cannot be rendered: {} not found", programs.join(" and ")))
    }
}

/// The name of the release: the name of the directory if Helm accepts it (a DNS label of at most 53 characters), else
/// `release`.
fn release_name(folder: &Path) -> String {
    let name = folder.canonicalize().ok().and_then(|it| Some(it.file_name()?.to_str()?.to_lowercase()));
    let is_name = |name: &String| {
        name.len() <= 53
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    name.filter(is_name).unwrap_or_else(|| "release".to_owned())
}

/// Quotes a word for the shell, if necessary.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:@+,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_commands() {
        let chart = Renderable::Chart(PathBuf::from("charts/my shop"));
        assert_eq!(chart.hint("web"), "helm template release 'charts/my shop' -n web | sa-hygiene check -n web -");
        let overlay = Renderable::Kustomization(PathBuf::from("-prod"));
        assert_eq!(overlay.hint("web"), "kustomize build ./-prod | sa-hygiene check -");
    }
}
