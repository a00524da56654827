// SPDX-License-Identifier: Apache-2.0

//! Compiles modules to machine code, with the feature `compiler`.

use std::io::Write as _;

use anyhow::{Result, anyhow};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use wasmtime::Config;

use super::engine;

/// Machine code for any processor of `target`, a target triple, compressed with zlib. [`super::decompress`] returns what
/// wasmtime loads.
///
/// # Errors
///
/// If the target is unknown or has another processor (without the feature `cross`), or if `wasm` is not a valid module.
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

/// The file that the build script of `policy-module` embeds (`SA_HYGIENE_COMPILED`): a line with the target, the length of `wasm`
/// in 8 bytes, little-endian, `wasm`, and its compressed machine code. The build script rejects the code for another target or
/// of another module.
///
/// # Errors
///
/// The same as for [`compile`].
pub fn file(wasm: &[u8], target: &str) -> Result<Vec<u8>> {
    let length = u64::try_from(wasm.len())?.to_le_bytes();
    Ok([target.as_bytes(), b"\n", &length, wasm, &compile(wasm, target)?].concat())
}

#[cfg(test)]
mod tests {
    use super::super::decompress;
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
    fn file_starts_with_the_target_and_the_module() {
        let file = file(EMPTY, &target()).unwrap();
        let start = [format!("{}\n", target()).as_bytes(), &8_u64.to_le_bytes(), EMPTY].concat();
        let code = file.strip_prefix(start.as_slice()).unwrap();
        assert!(decompress(code).unwrap().starts_with(b"\x7fELF"));
    }
}
