// SPDX-License-Identifier: Apache-2.0

//! A TCP forwarder from a policy server to the API server. While it is closed, the policy server cannot reach the API server.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Forwards bytes to a port until it is closed.
#[derive(Debug)]
pub struct Forwarder {
    /// The port that it listens on.
    pub port: u16,
    is_closed: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Forwarder {
    /// Listens on a free port.
    ///
    /// # Errors
    /// If no port is free.
    pub fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (is_closed, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let forwarder = Self { port, is_closed: Arc::clone(&is_closed), connections: Arc::clone(&connections) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_closed.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(stream) = stream {
                    // A failed connection is dropped; the client sees that it is closed.
                    let _ = connect(stream, target, &connections);
                }
            }
        });
        Ok(forwarder)
    }

    /// Closes all connections, and accepts no new ones.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which then releases the port.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.close();
    }
}

fn connect(near: TcpStream, target: u16, connections: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    connections.lock().unwrap_or_else(PoisonError::into_inner).push(near.try_clone()?);
    for (mut from, mut to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn forwards_until_closed() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let forwarder = Forwarder::to(server.local_addr().unwrap().port()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, forwarder.port)).unwrap();
        client.write_all(b"hello").unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        let mut bytes = [0; 5];
        accepted.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        forwarder.close();
        assert_eq!(client.read(&mut bytes).unwrap_or(0), 0);
        let is_rejected = || TcpStream::connect((Ipv4Addr::LOCALHOST, forwarder.port)).is_err();
        assert!((0..100).any(|_| {
            thread::sleep(std::time::Duration::from_millis(20));
            is_rejected()
        }));
    }
}
