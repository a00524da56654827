// SPDX-License-Identifier: Apache-2.0

//! Processes that end with this one, for whatever reason it ends: the end of the run, an error, a panic, Ctrl-C.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// All running processes, for the signal handler and the panic hook; none once these have taken them.
static RUNNING: Mutex<Option<Vec<Child>>> = Mutex::new(Some(Vec::new()));

/// The folders to remove at the end.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The exit code that a shell reports for a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// How long a process may take to end before it is killed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A temporary folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
}

impl Workspace {
    /// Creates the folder.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new() -> Result<Self> {
        guard();
        let path = tempfile::Builder::new().prefix("sa-hygiene-cluster-").tempdir()?.keep();
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        Ok(Self { path })
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        remove_folders();
    }
}

fn remove_folders() {
    for folder in std::mem::take(&mut *FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)) {
        if let Err(error) = fs::remove_dir_all(&folder) {
            eprintln!("warning: {} stays: {error}", folder.display());
        }
    }
}

/// A process that is stopped when this is dropped.
#[derive(Debug)]
pub struct Process {
    id: u32,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a process with its output in `<folder>/<name>.log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        guard();
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).current_dir(folder);
        // Spawned under the lock, so that `stop_all` either stops this process too, or prevents its start.
        let id = running(|children| {
            let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
            let id = child.id();
            children.push(child);
            Ok(id)
        });
        let id = id.unwrap_or_else(|| bail!("{name} is not started any more"))?;
        Ok(Self { id, name: name.to_owned(), log })
    }

    /// Waits until `is_ready` returns true.
    ///
    /// # Errors
    /// If the process ends, or is not ready in time. The error contains the end of its log.
    pub fn wait(&self, limit: Duration, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            if is_ready() {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                bail!("{} ended ({status}):\n{}", self.name, self.end_of_log());
            }
            if start.elapsed() > limit {
                bail!("{} is not ready after {} s:\n{}", self.name, limit.as_secs(), self.end_of_log());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The memory that it uses, in KiB; none if the system does not report it
    /// (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>).
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Stops it, and waits until it has ended.
    pub fn stop(self) {
        drop(self);
    }

    fn ended(&self) -> Option<ExitStatus> {
        running(|children| children.iter_mut().find(|child| child.id() == self.id)?.try_wait().ok()?).flatten()
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(12)).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = running(|children| {
            let index = children.iter().position(|child| child.id() == self.id)?;
            Some(children.swap_remove(index))
        });
        if let Some(child) = child.flatten() {
            end(vec![child]);
        }
    }
}

/// Stops all processes, and prevents the start of new ones.
fn stop_all() {
    let children = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    end(children.unwrap_or_default());
}

fn running<T>(with: impl FnOnce(&mut Vec<Child>) -> T) -> Option<T> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(with)
}

/// Sends a termination signal to all of them, and kills those that do not end in time.
fn end(mut children: Vec<Child>) {
    for child in &children {
        terminate(child.id());
    }
    let start = Instant::now();
    for child in &mut children {
        while matches!(child.try_wait(), Ok(None)) {
            if start.elapsed() > TIMEOUT {
                // It may have ended in the meantime.
                let _ = child.kill();
                let _ = child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends SIGTERM: the standard library can only kill, and etcd should close its files.
fn terminate(id: u32) {
    let _ = Command::new("kill").arg(id.to_string()).stderr(Stdio::null()).status();
}

fn guard() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If another Ctrl-C handler is already set, it stays.
        let _ = ctrlc::set_handler(|| {
            stop_all();
            remove_folders();
            std::process::exit(INTERRUPTED);
        });
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            stop_all();
            remove_folders();
            hook(info);
        }));
    });
}

/// A port of the loopback interface that is not in use.
///
/// # Errors
/// If no port is free.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Writes a file that only this user can read.
///
/// # Errors
/// If it cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alive(id: u32) -> bool {
        Path::new(&format!("/proc/{id}")).exists()
    }

    #[test]
    fn ends_process_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start("sleep", Command::new("sleep").arg("60"), folder.path()).unwrap();
        let id = process.id;
        assert!(is_alive(id));
        process.stop();
        assert!(!is_alive(id));
    }

    #[test]
    fn log_of_ended_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let process = Process::start("sh", command.args(["-c", "echo no such flag; exit 2"]), folder.path()).unwrap();
        let error = process.wait(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(error.contains("no such flag") && error.contains("sh ended"), "{error}");
    }

    #[test]
    fn process_never_ready() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start("sleep", Command::new("sleep").arg("60"), folder.path()).unwrap();
        let error = process.wait(Duration::ZERO, || false).unwrap_err().to_string();
        assert!(error.contains("not ready"), "{error}");
    }
}
