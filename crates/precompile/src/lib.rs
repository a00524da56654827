// SPDX-License-Identifier: Apache-2.0

//! The machine code of a policy: compiled for a target, with the feature `compiler`, and decompressed for wasmtime.
//!
//! This is a separate package, so that what compiles and what loads agree on the configuration of wasmtime. The build script of
//! `policy-module` compiles, for programs that contain no compiler.

use std::io::Read as _;

use anyhow::{Context as _, Result, anyhow};
use flate2::read::ZlibDecoder;
use wasmtime::{Config, Engine};

#[cfg(feature = "compiler")]
mod compiler;

#[cfg(feature = "compiler")]
pub use compiler::{compile, file};

/// An engine whose guests can be interrupted after a time limit. It does not record where a guest trapped, which makes the
/// machine code of the policy smaller by a quarter.
///
/// # Errors
///
/// If wasmtime does not support the configuration on this machine.
pub fn engine(mut config: Config) -> Result<Engine> {
    config.epoch_interruption(true).generate_address_map(false);
    Engine::new(&config).map_err(|error| anyhow!("cannot start wasmtime: {error:#}"))
}

/// The machine code that `compile` compressed.
///
/// # Errors
///
/// If `code` is not in the format of zlib.
pub fn decompress(code: &[u8]) -> Result<Vec<u8>> {
    // Compressed code has about a third of the size, so the buffer grows at most once.
    let mut machine_code = Vec::with_capacity(code.len().saturating_mul(4));
    ZlibDecoder::new(code).read_to_end(&mut machine_code).context("cannot decompress the machine code")?;
    Ok(machine_code)
}
