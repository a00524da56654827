// SPDX-License-Identifier: Apache-2.0

//! A webhook that accepts every request and keeps the last one: it records what the API server sends to policies.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::pki::Pki;

/// The most bytes that are read of a request; requests of an API server are smaller.
const MOST: u64 = 8 << 20;

/// The webhook.
#[derive(Debug)]
pub struct Capture {
    /// The port that it listens on.
    pub port: u16,
    last: Arc<Mutex<Option<Value>>>,
}

impl Capture {
    /// Listens on a free port.
    ///
    /// # Errors
    /// If no port is free, or the run's certificate cannot be read.
    pub fn start(pki: &Pki) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = CertificateDer::pem_file_iter(&pki.server_files.0)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&pki.server_files.1)?;
        // Without ALPN, clients speak HTTP/1.1.
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let last = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&last);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, kept) = (Arc::clone(&config), Arc::clone(&kept));
                // If a connection is closed early, the API server reports it.
                thread::spawn(move || serve(stream, config, &kept));
            }
        });
        Ok(Self { port, last })
    }

    /// The request of the last review; a second call returns none.
    #[must_use]
    pub fn take(&self) -> Option<Value> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, kept: &Mutex<Option<Value>>) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_mins(10)))?;
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    while let Some(body) = read(&mut reader)? {
        let mut review: Value = serde_json::from_slice(&body)?;
        let request = review.get_mut("request").map(Value::take).context("a review without a request")?;
        let answer = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": request.get("uid"), "allowed": true},
        })
        .to_string();
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        let stream = reader.get_mut();
        stream.write_all((head + &answer).as_bytes())?;
        stream.flush()?;
    }
    Ok(())
}

/// The body of the next request; none once the connection is closed.
fn read(reader: &mut impl std::io::BufRead) -> Result<Option<Vec<u8>>> {
    let mut length = 0;
    let mut line = String::new();
    let mut is_first = true;
    loop {
        line.clear();
        if reader.by_ref().take(MOST).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() && !is_first {
            break;
        }
        is_first = false;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<u64>()?.min(MOST);
        }
    }
    let mut body = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut body)?;
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_requests_on_a_connection() {
        let mut bytes =
            &b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n1"[..];
        assert_eq!(read(&mut bytes).unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(read(&mut bytes).unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(read(&mut bytes).unwrap(), None);
    }
}
