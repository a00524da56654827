// SPDX-License-Identifier: Apache-2.0

//! Reads the cluster through the user's own `kubectl`, so that every way to log in is supported. Only `kubectl get` is called.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use thiserror::Error;

use super::read::{documents, without_values};
use super::{Kind, Snapshot, secrets};

/// The number of objects in a page; `kubectl get` uses the same.
const PAGE: usize = 500;

/// The number of pages that are requested concurrently.
const READERS: usize = 3;

/// How often a list is restarted because its continue token has expired.
const RESTARTS: usize = 3;

/// The maximum length of an error message from `kubectl`.
const LONGEST_MESSAGE: usize = 300;

/// The command line for `kubectl`.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// The program.
    pub program: OsString,
    /// `--context`.
    pub context: Option<String>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<OsString>,
    /// Shows the output of a login plugin.
    pub say: fn(&str),
}

/// The objects to read.
#[derive(Debug, Clone)]
pub struct Selection {
    /// A single namespace, instead of all.
    pub namespace: Option<String>,
    /// Whether Secrets with legacy tokens are listed.
    pub token_secrets: bool,
    /// The API server's audiences besides the default ones.
    pub api_audiences: Vec<String>,
}

/// Why nothing could be read.
#[derive(Debug, Error)]
pub enum Error {
    /// The program was not found.
    #[error("`{program}` cannot be started: {why}; install kubectl, or name it with --kubectl")]
    NotFound {
        /// Its name.
        program: String,
        /// Why.
        why: io::Error,
    },
    /// No kind could be read.
    #[error("nothing can be read from the cluster: {0}")]
    Nothing(String),
}

/// The reasons why a list could not be read.
#[derive(Debug)]
enum ListError {
    NotFound(io::Error),
    /// The list changed too often while it was read.
    Expired,
    Refused(String),
}

impl Kubectl {
    /// Reads the cluster. Calls `progress` for every page, with the number of its objects.
    ///
    /// # Errors
    /// If `kubectl` cannot be started, or nothing can be read. The snapshot contains the kinds that could not be read.
    pub fn read(&self, selection: &Selection, progress: &(dyn Fn(usize) + Sync)) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::new(&selection.api_audiences);
        // Nothing runs concurrently with the first call, so that the user has to log in only once.
        let (first, rest) = match Kind::ALL.split_last() {
            Some((first, rest)) => (*first, rest),
            None => return Ok(snapshot),
        };
        self.add(first, selection, true, &mut snapshot, progress)?;

        let next = AtomicUsize::new(0);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                let sender: Sender<Result<Snapshot, Error>> = sender.clone();
                let next = &next;
                scope.spawn(move || {
                    let mut part = Snapshot::new(&selection.api_audiences);
                    let mut result = Ok(());
                    while let Some(kind) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
                        result = result.and_then(|()| self.add(*kind, selection, false, &mut part, progress));
                    }
                    // This fails only if reading has already failed.
                    let _ = sender.send(result.map(|()| part));
                });
            }
            drop(sender);
            receiver.into_iter().try_for_each(|part| part.map(|part| snapshot.merge(part)))
        })?;
        if selection.token_secrets {
            self.add_token_secrets(selection, &mut snapshot)?;
        }
        if Kind::ALL.iter().all(|kind| snapshot.unread.contains_key(kind)) {
            let why = snapshot.unread.get(&first).cloned().unwrap_or_default();
            return Err(Error::Nothing(why));
        }
        Ok(snapshot)
    }

    fn add(
        &self,
        kind: Kind,
        selection: &Selection,
        is_interactive: bool,
        snapshot: &mut Snapshot,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Error> {
        let in_namespace = selection.namespace.as_deref().filter(|_| !kind.is_cluster_wide());
        // A binding of any namespace can name an account of this one, so those of all namespaces are read if that is permitted.
        let is_rbac = matches!(kind, Kind::RoleBindings | Kind::Roles);
        let ways = match in_namespace {
            Some(namespace) if is_rbac => vec![None, Some(namespace)],
            namespace => vec![namespace],
        };
        let mut refusal = String::new();
        for namespace in ways {
            match self.list(kind, namespace, is_interactive, snapshot, progress) {
                Ok(()) => {
                    if !refusal.is_empty() {
                        snapshot.unread_elsewhere.insert(kind, refusal);
                    }
                    return Ok(());
                }
                Err(ListError::NotFound(why)) => return Err(self.not_found(why)),
                Err(ListError::Expired) => "the list changed too fast to be read".clone_into(&mut refusal),
                Err(ListError::Refused(why)) => refusal = why,
            }
        }
        snapshot.unread.insert(kind, refusal);
        Ok(())
    }

    fn not_found(&self, why: io::Error) -> Error {
        Error::NotFound { program: self.program.to_string_lossy().into_owned(), why }
    }

    fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        is_interactive: bool,
        snapshot: &mut Snapshot,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(), ListError> {
        let mut restarts = 0;
        let mut continue_token = None;
        loop {
            // Objects are stored by name, so repeated ones count once.
            let page = self.page(kind, namespace, continue_token.as_deref(), is_interactive, snapshot, progress);
            continue_token = match page {
                Ok(None) => return Ok(()),
                Ok(Some(token)) => Some(token),
                Err(ListError::Expired) if restarts < RESTARTS => {
                    restarts += 1;
                    snapshot.counts.remove(&kind);
                    None
                }
                Err(error) => return Err(error),
            };
        }
    }

    fn page(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        continue_token: Option<&str>,
        is_interactive: bool,
        snapshot: &mut Snapshot,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Option<String>, ListError> {
        let before = snapshot.counts.get(&kind).copied().unwrap_or_default();
        let path = path(kind, namespace, continue_token);
        let (result, status, error_message) = self
            .run(&["get", "--raw", &path], is_interactive, |output| documents(output, Some(kind), snapshot))
            .map_err(ListError::NotFound)?;
        if !status.success() {
            let is_expired = ["(Expired)", "(Gone)", "too old", "410"].iter().any(|word| error_message.contains(word));
            return Err(if is_expired && continue_token.is_some() {
                ListError::Expired
            } else {
                ListError::Refused(error_message)
            });
        }
        progress(snapshot.counts.get(&kind).copied().unwrap_or_default().saturating_sub(before));
        result.map_err(|error| ListError::Refused(format!("the answer {}", without_values(&error))))
    }

    fn add_token_secrets(&self, selection: &Selection, snapshot: &mut Snapshot) -> Result<(), Error> {
        let mut arguments = secrets::ARGUMENTS.to_vec();
        match &selection.namespace {
            Some(namespace) => arguments.extend(["--namespace", namespace]),
            None => arguments.push("--all-namespaces"),
        }
        let (table, status, error_message) = self
            .run(&arguments, false, |output| {
                let mut text = String::new();
                output.read_to_string(&mut text).map(|_| text)
            })
            .map_err(|why| self.not_found(why))?;
        let rows = if status.success() {
            table
                .map_err(|error| error.to_string())
                .and_then(|table| secrets::rows(&table, selection.namespace.as_deref()))
        } else {
            Err(error_message)
        };
        match rows {
            Ok(rows) => snapshot.token_secrets.get_or_insert_default().extend(rows),
            Err(why) => {
                snapshot.unread.insert(Kind::Secrets, why);
            }
        }
        Ok(())
    }

    /// Runs `kubectl`. `read` receives its standard output; the result contains the error message.
    fn run<T>(
        &self,
        arguments: &[&str],
        is_interactive: bool,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<(T, ExitStatus, String)> {
        let mut command = Command::new(&self.program);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &self.context {
            command.arg("--context").arg(context);
        }
        let stdin = if is_interactive { Stdio::inherit() } else { Stdio::null() };
        let mut child = command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (result, error_message) = std::thread::scope(|scope| {
            let error_message = scope.spawn(move || {
                stderr.map_or(String::new(), |it| error_message(it, is_interactive.then_some(self.say)))
            });
            let mut stdout: Box<dyn Read> = match stdout {
                Some(stdout) => Box::new(BufReader::with_capacity(1 << 16, stdout)),
                None => Box::new(io::empty()),
            };
            let result = read(&mut stdout);
            // Close the pipe, so that the program ends even if its output was not read completely.
            drop(stdout);
            (result, error_message.join().unwrap_or_default())
        });
        Ok((result, child.wait()?, error_message))
    }
}

/// The last line of standard error, shortened. If the user may have to log in, all lines except errors are shown immediately,
/// because they contain the instructions.
fn error_message(stderr: ChildStderr, say: Option<fn(&str)>) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        let is_error = ["Error", "error", "Unable to", "E1", "The connection"].iter().any(|it| line.starts_with(it));
        if let Some(say) = say
            && !is_error
        {
            say(&line);
        }
        last = line;
    }
    let message = last.strip_prefix("Error from server ").or(last.strip_prefix("error: ")).unwrap_or(&last);
    message.chars().take(LONGEST_MESSAGE).collect()
}

fn path(kind: Kind, namespace: Option<&str>, continue_token: Option<&str>) -> String {
    let root = if kind.api_version().contains('/') { "/apis" } else { "/api" };
    let namespace = namespace.map(|namespace| format!("/namespaces/{}", encoded(namespace))).unwrap_or_default();
    let continue_token = continue_token.map(|token| format!("&continue={}", encoded(token))).unwrap_or_default();
    format!("{root}/{}{namespace}/{}?limit={PAGE}{continue_token}", kind.api_version(), kind.plural())
}

/// A percent-encoded part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_lists() {
        assert_eq!(path(Kind::Pods, None, None), "/api/v1/pods?limit=500");
        assert_eq!(path(Kind::CronJobs, Some("shop"), None), "/apis/batch/v1/namespaces/shop/cronjobs?limit=500");
        assert_eq!(path(Kind::Pods, None, Some("a+/=b")), "/api/v1/pods?limit=500&continue=a%2B%2F%3Db");
    }
}
