// SPDX-License-Identifier: Apache-2.0

//! Builds the policy for `wasm32-wasip1`, so that programs can embed it.
//!
//! As a result, a fresh clone passes `cargo test --workspace --locked`, and `cargo install` results in one binary that contains
//! the policy. The module is built exactly as in the release job: release profile, `--locked`, and without the wrappers and
//! flags that clippy, coverage or the user's shell set for the *host* build.
//!
//! `SA_HYGIENE_WASM=path` embeds that file instead of building the module. With the feature `machine-code`, the module is also
//! compiled to machine code; `SA_HYGIENE_COMPILED=path` embeds what the program `precompile` has compiled from the module.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-wasip1";
const PACKAGE: &str = "serviceaccount-hygiene";
const ARTIFACT: &str = "serviceaccount_hygiene.wasm";

/// Variables (by prefix) that would make the nested build differ from a plain `cargo build --release --locked`.
const FOREIGN: &[&str] = &[
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_FEATURE_",
    "CARGO_INCREMENTAL",
    "CARGO_LLVM_COV",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_UNSTABLE_",
    "CLIPPY_",
    "LLVM_PROFILE_FILE",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "__CARGO_",
];

fn main() {
    println!("cargo::rerun-if-env-changed=SA_HYGIENE_WASM");

    let wasm = match env::var_os("SA_HYGIENE_WASM").filter(|path| !path.is_empty()) {
        Some(path) => prebuilt(Path::new(&path)),
        None => build(),
    };
    println!("cargo::rustc-env=SA_HYGIENE_POLICY_WASM={}", wasm.display());
    embed_compiled(&wasm);
}

/// Embeds the machine code, which is empty if nothing asks for it.
fn embed_compiled(wasm: &Path) {
    println!("cargo::rerun-if-env-changed=SA_HYGIENE_COMPILED");
    let embedded = Path::new(&variable("OUT_DIR")).join("policy.cwasm");
    let code = match env::var_os("SA_HYGIENE_COMPILED").filter(|path| !path.is_empty()) {
        None => compile(wasm).unwrap_or_else(|error| fail(&error)),
        Some(path) => {
            println!("cargo::rerun-if-changed={}", Path::new(&path).display());
            code_of(Path::new(&path), wasm)
                .unwrap_or_else(|error| fail(&format!("SA_HYGIENE_COMPILED={}: {error}", Path::new(&path).display())))
        }
    };
    if let Err(error) = std::fs::write(&embedded, code) {
        fail(&format!("{}: {error}", embedded.display()));
    }
    println!("cargo::rustc-env=SA_HYGIENE_POLICY_CODE={}", embedded.display());
}

/// The machine code of a file. It starts with the target, and with the length (8 bytes) and the bytes of the module from which
/// it was compiled, so that the machine code of another policy is never run in place of this one.
fn code_of(compiled: &Path, wasm: &Path) -> Result<Vec<u8>, String> {
    let compiled = std::fs::read(compiled).map_err(|error| error.to_string())?;
    let wasm = std::fs::read(wasm).map_err(|error| error.to_string())?;
    let target = target()?;
    let of_this_target = compiled.strip_prefix(format!("{target}\n").as_bytes());
    let (length, rest) = of_this_target
        .and_then(|rest| rest.split_first_chunk::<8>())
        .ok_or_else(|| format!("was not written by `precompile` for {target}"))?;
    let of_this_policy = usize::try_from(u64::from_le_bytes(*length)).ok() == Some(wasm.len());
    let code = rest.strip_prefix(wasm.as_slice()).filter(|_| of_this_policy);
    code.map(<[u8]>::to_vec).ok_or_else(|| "was made from another policy; run `precompile` again".to_owned())
}

#[cfg(feature = "machine-code")]
fn compile(wasm: &Path) -> Result<Vec<u8>, String> {
    let target = target()?;
    let wasm = std::fs::read(wasm).map_err(|error| format!("{}: {error}", wasm.display()))?;
    policy_precompile::compile(&wasm, &target)
        .map_err(|error| format!("{target}: {error:#}; `.ci/module` compiles for other processors"))
}

#[cfg(not(feature = "machine-code"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
fn compile(_wasm: &Path) -> Result<Vec<u8>, String> {
    Ok(Vec::new())
}

fn prebuilt(path: &Path) -> PathBuf {
    println!("cargo::rerun-if-changed={}", path.display());
    path.canonicalize().unwrap_or_else(|error| fail(&format!("SA_HYGIENE_WASM={}: {error}", path.display())))
}

fn build() -> PathBuf {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let Some(root) = package.ancestors().nth(2) else { fail("this package is not in the workspace") };
    // Relative paths, which cargo resolves against this package's folder: two clones may share a target directory.
    for input in ["src", "Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
        println!("cargo::rerun-if-changed=../../{input}");
    }
    require_target();

    // A separate target directory: the outer cargo holds the lock of the usual one while this script runs.
    let target_dir = PathBuf::from(variable("OUT_DIR")).join("policy");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args(["build", "--release", "--locked", "--lib", "--package", PACKAGE, "--target", TARGET])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(root);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| FOREIGN.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }

    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("building {PACKAGE} for {TARGET} failed ({status})")),
        Err(error) => fail(&format!("cannot start cargo: {error}")),
    }
    target_dir.join(TARGET).join("release").join(ARTIFACT)
}

/// Reports what to install, instead of letting the build fail with "can't find crate for `core`".
fn require_target() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let installed = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|dir| Path::new(dir.trim()).is_dir());
    if !installed {
        fail(&format!(
            "the Rust target {TARGET} is not installed; run `rustup target add {TARGET}`, \
             or set SA_HYGIENE_WASM to a policy that is already built"
        ));
    }
}

/// The target of the program that embeds the policy.
fn target() -> Result<String, String> {
    variable("TARGET").into_string().map_err(|_| "TARGET is not text".to_owned())
}

fn variable(name: &str) -> std::ffi::OsString {
    env::var_os(name).unwrap_or_else(|| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
