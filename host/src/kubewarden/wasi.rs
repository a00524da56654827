// SPDX-License-Identifier: Apache-2.0

//! The functions of WASI (preview 1) that policies need: output, the clock and random numbers.
//!
//! The policy server gives policies no files, arguments or environment variables, so there are none here either: functions for
//! files fail with `EBADF`, as in the policy server. Unlike there, a policy cannot sleep (`poll_oneoff`).
//!
//! <https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md>

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, ExternType, Linker, Module, Val};

use super::wapc::{self, guest_memory, read, slice, slice_mut, write};

const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of WASI.
const SUCCESS: i32 = 0;
const EBADF: i32 = 8;
const EINVAL: i32 = 28;
const ENOSYS: i32 = 52;

/// Functions that always fail, besides those for files.
const UNSUPPORTED: [&str; 3] = ["clock_res_get", "poll_oneoff", "proc_raise"];

/// The most random bytes of one call: the time limit of a guest does not interrupt the host.
const MAX_RANDOM: usize = 1 << 20;

/// The error that stops a guest which exits, with the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the guest exited with code {0}")]
pub(super) struct Exit(pub(super) i32);

/// The data of an instance that takes what the guest writes to its standard output and error.
pub(super) trait Output: 'static {
    fn add_output(&mut self, bytes: &[u8]);
}

/// Adds the functions of WASI to a linker, at least those that `module` imports.
pub(super) fn add_to_linker<T: Output>(linker: &mut Linker<T>, module: &Module) -> wasmtime::Result<()> {
    add_unsupported(linker, module)?;
    // The functions below replace those that always fail.
    linker.allow_shadowing(true);
    // Arguments and environment variables: the number of entries, and the bytes of all entries.
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(MODULE, name, |mut caller: Caller<'_, T>, count: i32, bytes: i32| {
            let (memory, _) = guest_memory(&mut caller)?;
            write(memory, count, &[0; 4])?;
            write(memory, bytes, &[0; 4])?;
            Ok(SUCCESS)
        })?;
    }
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(MODULE, name, |_: Caller<'_, T>, _: i32, _: i32| SUCCESS)?;
    }
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Caller<'_, T>, clock: i32, _: i64, at: i32| {
        let now = match clock {
            0 => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            1 => MONOTONIC_START.elapsed(),
            // The processor time of the process or thread.
            2 | 3 => return Ok(EBADF),
            _ => return Ok(EINVAL),
        };
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        write(guest_memory(&mut caller)?.0, at, &nanoseconds.to_le_bytes())?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, T>, at: i32, length: i32| {
        let target = slice_mut(guest_memory(&mut caller)?.0, at, wapc::offset(length))?;
        if target.len() > MAX_RANDOM {
            return Ok(EINVAL);
        }
        getrandom::fill(target).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "sched_yield", |_: Caller<'_, T>| SUCCESS)?;
    linker.func_wrap(MODULE, "fd_write", fd_write::<T>)?;
    linker.func_wrap(MODULE, "proc_exit", |_: Caller<'_, T>, code: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(code)))
    })?;
    Ok(())
}

/// The monotonic clock starts when it is read for the first time.
static MONOTONIC_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Adds the functions for files that a module imports, and [`UNSUPPORTED`] ones; each returns an error number.
fn add_unsupported<T: 'static>(linker: &mut Linker<T>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports().filter(|import| import.module() == MODULE) {
        let (name, ExternType::Func(signature)) = (import.name(), import.ty()) else { continue };
        let error = if ["fd_", "path_", "sock_"].iter().any(|prefix| name.starts_with(prefix)) {
            EBADF
        } else if UNSUPPORTED.contains(&name) {
            ENOSYS
        } else {
            continue;
        };
        linker.func_new(MODULE, name, signature, move |_, _, results| {
            results.fill(Val::I32(error));
            Ok(())
        })?;
    }
    Ok(())
}

/// Passes on what a list of addresses and lengths refers to, and writes the number of bytes to the address `written`.
fn fd_write<T: Output>(
    mut caller: Caller<'_, T>,
    descriptor: i32,
    list: i32,
    count: i32,
    written: i32,
) -> wasmtime::Result<i32> {
    if !matches!(descriptor, 1 | 2) {
        return Ok(EBADF);
    }
    let (memory, data) = guest_memory(&mut caller)?;
    let mut total = 0_i32;
    let length = wapc::offset(count).checked_mul(8).ok_or_else(wapc::out_of_bounds)?;
    let (numbers, _) = slice(memory, list, length)?.as_chunks();
    for entry in numbers.chunks_exact(2) {
        let &[address, length] = entry else { continue };
        let bytes = read(memory, i32::from_le_bytes(address), i32::from_le_bytes(length))?;
        data.add_output(bytes);
        total = total.saturating_add(wapc::length(bytes.len()));
    }
    write(memory, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}
