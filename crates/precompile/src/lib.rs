// SPDX-License-Identifier: Apache-2.0

//! Compiles a policy ahead of time.
//!
//! This is a separate package, so that a release builds the command only once: the `precompile` program needs only wasmtime,
//! and is ready before the rest of the command is compiled (`.ci/dist`).

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, anyhow};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use wasmtime::{Config, Engine};

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

/// Machine code for any processor of `target`, a target triple, compressed with zlib. [`decompress`] returns what wasmtime
/// loads.
///
/// # Errors
///
/// If the target is unknown, or `wasm` is not a valid module.
pub fn compile(wasm: &[u8], target: &str) -> Result<Vec<u8>> {
    let mut config = Config::default();
    // An explicit target prevents the use of features that only the processor of the build machine has.
    config.target(target).map_err(|error| anyhow!("{target}: {error:#}"))?;
    let code =
        engine(config)?.precompile_module(wasm).map_err(|error| anyhow!("cannot compile the module: {error:#}"))?;
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&code)?;
    Ok(compressed.finish()?)
}

/// The machine code that [`compile`] compressed.
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

/// The file that the build script of `sa-hygiene` embeds (`SA_HYGIENE_COMPILED`): the length of `wasm` in 8 bytes,
/// little-endian, `wasm`, and its compressed machine code. The build script rejects the code of another module.
///
/// # Errors
///
/// The same as for [`compile`].
pub fn file(wasm: &[u8], target: &str) -> Result<Vec<u8>> {
    let length = u64::try_from(wasm.len())?.to_le_bytes();
    Ok([length.as_slice(), wasm, &compile(wasm, target)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    /// The host's target: Cranelift is built only for the processors of this machine.
    fn target() -> String {
        format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
    }

    /// The feature `isle-split-match` applies to the Cranelift in wasmtime only if it is the same version.
    #[test]
    fn one_version_of_cranelift() {
        let lock_file = include_str!("../../../Cargo.lock");
        assert_eq!(lock_file.matches("name = \"cranelift-codegen\"\n").count(), 1);
    }

    #[test]
    fn rejects_other_input() {
        assert!(compile(EMPTY, &target()).is_ok());
        let error = compile(b"other", &target()).unwrap_err().to_string();
        assert!(error.starts_with("cannot compile the module: "), "{error}");
        assert!(compile(EMPTY, "pdp11-unknown-unix").is_err());
        assert!(decompress(b"other").is_err());
    }

    #[test]
    fn file_starts_with_the_module() {
        let file = file(EMPTY, &target()).unwrap();
        let code = file.strip_prefix(&8_u64.to_le_bytes()).and_then(|rest| rest.strip_prefix(EMPTY)).unwrap();
        assert!(decompress(code).unwrap().starts_with(b"\x7fELF"));
    }
}
