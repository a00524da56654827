// SPDX-License-Identifier: Apache-2.0

//! The API server's audit log (<https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/>).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// How long to wait for a line: the API server responds before it has written the line.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The audit policy: it logs who wrote what, with the annotations that webhooks add.
pub const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch]
  - level: Metadata
    userGroups: [system:serviceaccounts:audited]
  - level: None
";

/// In this namespace, all calls of accounts are logged.
pub const NAMESPACE: &str = "audited";

/// The log, read while the API server writes it.
#[derive(Debug)]
pub struct AuditLog {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl AuditLog {
    /// Reads the log from its beginning.
    ///
    /// # Errors
    /// If there is no log.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Ok(Self { file: BufReader::new(file), line: Vec::new() })
    }

    /// The annotations of one request. Earlier lines are skipped.
    ///
    /// # Errors
    /// If the log does not contain the request.
    pub fn annotations(&mut self, audit_id: &str) -> Result<BTreeMap<String, String>> {
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            let Some(event) = self.next()? else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            if event.get("auditID").and_then(Value::as_str) == Some(audit_id) {
                let annotations = event.get("annotations").and_then(Value::as_object).into_iter().flatten();
                let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
                return Ok(annotations.filter_map(text).collect());
            }
        }
        bail!("the audit log does not have request {audit_id}")
    }

    fn next(&mut self) -> Result<Option<Value>> {
        // An incomplete line is kept until the rest of it is read.
        self.file.read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let event = serde_json::from_slice(&self.line).context("the audit log has a line that is no JSON")?;
        self.line.clear();
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn line_in_two_parts() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = AuditLog::open(file.path()).unwrap();
        let (one, half, rest) = (r#"{"auditID": "1"}"#, r#"{"auditID": "2", "ann"#, r#"otations": {"a/b": "c"}}"#);
        write!(file, "{one}\n{half}").unwrap();
        assert!(log.next().unwrap().is_some());
        assert!(log.next().unwrap().is_none());
        writeln!(file, "{rest}").unwrap();
        assert_eq!(log.annotations("2").unwrap(), [("a/b".to_owned(), "c".to_owned())].into());
    }
}
