// SPDX-License-Identifier: Apache-2.0

//! The host's side of the waPC protocol: instances of a module, and the functions that they import.
//!
//! Kubewarden's policy server uses the `wasmtime-provider` crate for this, which enables most features of wasmtime, among them
//! the component model. Without them, the command is 3 MB smaller and takes a third less time to build (docs/performance.md).
//! `e2e-tests/src/counted.rs` is another implementation, with wasmtime's own WASI: a test compares the responses of both.
//!
//! <https://wapc.io/docs/spec/>

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use wasmtime::{Caller, Engine, Extern, InstancePre, Linker, Module, Store, Trap, TypedFunc};

use super::module::CallError;
use super::wasi::{self, Exit, Output};
use crate::shown;

/// Answers a call of the guest: binding, namespace, operation and payload.
pub(super) type HostCallback = Box<dyn Fn(&str, &str, &str, &[u8]) -> Result<Vec<u8>, String> + Send>;

/// How often the engine's epoch advances, which stops guests that exceed their time limit. The policy server does it once a
/// second, which is too coarse for tests.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Functions that initialize an instance, if the module exports them: those of `TinyGo` and of waPC.
const START_FUNCTIONS: [&str; 2] = ["_start", "wapc_init"];

/// Makes instances of a module.
#[derive(Clone)]
pub(super) struct Instances(InstancePre<Guest>);

/// An instance of a module. It serves one call at a time.
pub(super) struct Instance {
    store: Store<Guest>,
    guest_call: TypedFunc<(i32, i32), i32>,
}

/// The data of an instance's current call.
#[derive(Default)]
struct Guest {
    operation: String,
    payload: Vec<u8>,
    callback: Option<HostCallback>,
    response: Option<Vec<u8>>,
    error: Option<String>,
    /// The response to the last host call, or its error.
    host_response: Vec<u8>,
    host_error: String,
    /// The start of what the guest wrote to its standard output and error: the message of a panic.
    output: Vec<u8>,
}

/// Bytes of [`Guest::output`].
const MAX_OUTPUT: usize = 4 << 10;

impl Output for Guest {
    fn add_output(&mut self, bytes: &[u8]) {
        let left = MAX_OUTPUT.saturating_sub(self.output.len());
        self.output.extend(bytes.iter().take(left));
    }
}

impl Guest {
    /// Writes the output to the standard error of this program. As with `eprint!`, it does not matter if there is none.
    fn print_output(&self) {
        let _ = std::io::stderr().write_all(self.shown_output().as_bytes());
    }

    /// The output for the standard error of this program: escaped, because it may contain values of a request.
    fn shown_output(&self) -> String {
        let output = String::from_utf8_lossy(&self.output);
        let lines: Vec<String> = output.lines().map(shown::text).collect();
        lines.iter().flat_map(|line| ["output of the module: ", line, "\n"]).collect()
    }
}

impl Instances {
    /// # Errors
    /// If the module does not have the imports and exports of a waPC guest.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self> {
        let no_guest = |error| anyhow!("this is not a waPC module: {error:#}");
        if module.get_export("__guest_call").is_none() {
            bail!("this is not a waPC module: it does not export `__guest_call`");
        }
        linker(engine, module).and_then(|linker| linker.instantiate_pre(module)).map(Self).map_err(no_guest)
    }

    /// A new instance, whose start functions and next call can call `callback`. The time limit applies to each start function.
    ///
    /// # Errors
    /// If a start function traps or exceeds the time limit.
    pub(super) fn instantiate(&self, timeout: Duration, callback: HostCallback) -> Result<Instance, CallError> {
        let guest = Guest { callback: Some(callback), ..Guest::default() };
        let mut store = Store::new(self.0.module().engine(), guest);
        match self.start(&mut store, timeout) {
            Ok(guest_call) => Ok(Instance { store, guest_call }),
            Err(error) => {
                store.data().print_output();
                Err(match error.downcast_ref() {
                    Some(Trap::Interrupt) => CallError::Timeout,
                    _ => CallError::Instance(error.root_cause().to_string()),
                })
            }
        }
    }

    /// Instantiates the module and calls its start functions.
    fn start(&self, store: &mut Store<Guest>, timeout: Duration) -> wasmtime::Result<TypedFunc<(i32, i32), i32>> {
        store.set_epoch_deadline(ticks(timeout));
        let instance = self.0.instantiate(&mut *store)?;
        for name in START_FUNCTIONS {
            if instance.get_func(&mut *store, name).is_none() {
                continue;
            }
            let start: TypedFunc<(), ()> = instance.get_typed_func(&mut *store, name)?;
            store.set_epoch_deadline(ticks(timeout));
            start.call(&mut *store, ()).or_else(|error| match error.downcast_ref() {
                // The `main` function of `TinyGo` exits when it returns.
                Some(Exit(0)) => Ok(()),
                _ => Err(error),
            })?;
        }
        instance.get_typed_func(&mut *store, "__guest_call")
    }
}

impl Instance {
    /// Sets the callback for the next call.
    pub(super) fn set_callback(&mut self, callback: HostCallback) {
        self.store.data_mut().callback = Some(callback);
    }

    /// Calls an operation of the guest, and then drops the callback.
    ///
    /// # Errors
    /// If the guest returns an error, traps or exceeds the time limit.
    pub(super) fn call(&mut self, operation: &str, payload: &[u8], timeout: Duration) -> Result<Vec<u8>, CallError> {
        let lengths = (length(operation.len()), length(payload.len()));
        // Start functions may have left a response.
        let before = std::mem::take(self.store.data_mut());
        *self.store.data_mut() = Guest {
            operation: operation.to_owned(),
            payload: payload.to_vec(),
            callback: before.callback,
            output: before.output,
            ..Guest::default()
        };
        self.store.set_epoch_deadline(ticks(timeout));
        let result = self.guest_call.call(&mut self.store, lengths);
        let guest = std::mem::take(self.store.data_mut());
        guest.print_output();
        let success = result.map_err(|error| match error.downcast_ref() {
            Some(Trap::Interrupt) => CallError::Timeout,
            _ => CallError::Guest(error.root_cause().to_string()),
        })?;
        match (success != 0, guest.response, guest.error) {
            (true, Some(response), _) => Ok(response),
            (_, _, Some(error)) => Err(CallError::Guest(error)),
            (true, None, None) => Err(CallError::Guest("No error message OR response set for call success".to_owned())),
            (false, _, None) => Err(CallError::Guest("No error message set for call failure".to_owned())),
        }
    }
}

/// Ticks of the engine's epoch: plus one, because the current tick may be nearly over.
fn ticks(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX).min(u64::MAX / 2) + 1
}

/// The functions that a module can import.
fn linker(engine: &Engine, module: &Module) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker, module)?;
    linker.func_wrap("wapc", "__guest_request", |mut caller: Caller<'_, Guest>, operation: i32, payload: i32| {
        let (memory, guest) = guest_memory(&mut caller)?;
        write(memory, payload, &guest.payload)?;
        write(memory, operation, guest.operation.as_bytes())
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut caller: Caller<'_, Guest>, at: i32, length: i32| {
        let (memory, guest) = guest_memory(&mut caller)?;
        guest.response = Some(read(memory, at, length)?.to_vec());
        Ok(())
    })?;
    linker.func_wrap("wapc", "__guest_error", |mut caller: Caller<'_, Guest>, at: i32, length: i32| {
        let (memory, guest) = guest_memory(&mut caller)?;
        guest.error = Some(text(memory, at, length)?.to_owned());
        Ok(())
    })?;
    linker.func_wrap("wapc", "__host_call", host_call)?;
    linker.func_wrap("wapc", "__host_response_len", |caller: Caller<'_, Guest>| {
        length(caller.data().host_response.len())
    })?;
    linker.func_wrap("wapc", "__host_response", |mut caller: Caller<'_, Guest>, at: i32| {
        let (memory, guest) = guest_memory(&mut caller)?;
        write(memory, at, &guest.host_response)
    })?;
    linker.func_wrap("wapc", "__host_error_len", |caller: Caller<'_, Guest>| length(caller.data().host_error.len()))?;
    linker.func_wrap("wapc", "__host_error", |mut caller: Caller<'_, Guest>, at: i32| {
        let (memory, guest) = guest_memory(&mut caller)?;
        write(memory, at, guest.host_error.as_bytes())
    })?;
    // The policy server ignores it, too.
    linker.func_wrap("wapc", "__console_log", |_: Caller<'_, Guest>, _: i32, _: i32| {})?;
    Ok(linker)
}

/// Returns 1 if there is a response, and 0 if there is an error. Each text has an address and a length.
#[expect(clippy::too_many_arguments, reason = "the signature of waPC")]
fn host_call(
    mut caller: Caller<'_, Guest>,
    binding: i32,
    binding_length: i32,
    namespace: i32,
    namespace_length: i32,
    operation: i32,
    operation_length: i32,
    payload: i32,
    payload_length: i32,
) -> wasmtime::Result<i32> {
    let (memory, guest) = guest_memory(&mut caller)?;
    let answer = match &guest.callback {
        Some(callback) => callback(
            text(memory, binding, binding_length)?,
            text(memory, namespace, namespace_length)?,
            text(memory, operation, operation_length)?,
            read(memory, payload, payload_length)?,
        ),
        None => Err("Missing host callback function!".to_owned()),
    };
    let succeeds = answer.is_ok();
    (guest.host_response, guest.host_error) = match answer {
        Ok(response) => (response, String::new()),
        Err(error) => (Vec::new(), error),
    };
    Ok(i32::from(succeeds))
}

/// The memory of the guest, and the data of its instance.
pub(super) fn guest_memory<'c, T: 'static>(
    caller: &'c mut Caller<'_, T>,
) -> wasmtime::Result<(&'c mut [u8], &'c mut T)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(wasmtime::Error::msg("the module does not export its memory")),
    }
}

/// The bytes at an address.
///
/// # Errors
/// If they are not all in the memory of the guest.
pub(super) fn read(memory: &[u8], at: i32, length: i32) -> wasmtime::Result<&[u8]> {
    slice(memory, at, offset(length))
}

/// Like [`read`], for a length of the host.
pub(super) fn slice(memory: &[u8], at: i32, length: usize) -> wasmtime::Result<&[u8]> {
    memory.get(offset(at)..).and_then(|rest| rest.get(..length)).ok_or_else(out_of_bounds)
}

/// Like [`slice`], to be written to.
pub(super) fn slice_mut(memory: &mut [u8], at: i32, length: usize) -> wasmtime::Result<&mut [u8]> {
    memory.get_mut(offset(at)..).and_then(|rest| rest.get_mut(..length)).ok_or_else(out_of_bounds)
}

/// Writes bytes to an address, under the same condition as [`read`].
pub(super) fn write(memory: &mut [u8], at: i32, bytes: &[u8]) -> wasmtime::Result<()> {
    slice_mut(memory, at, bytes.len())?.copy_from_slice(bytes);
    Ok(())
}

pub(super) fn out_of_bounds() -> wasmtime::Error {
    Trap::MemoryOutOfBounds.into()
}

fn text(memory: &[u8], at: i32, length: i32) -> wasmtime::Result<&str> {
    std::str::from_utf8(read(memory, at, length)?)
        .map_err(|_| wasmtime::Error::msg("the guest sent text that is not UTF-8"))
}

/// An address or a length: unsigned, although the type of the parameter is signed.
#[expect(clippy::cast_sign_loss, reason = "wasm has one type for signed and unsigned numbers")]
pub(super) const fn offset(number: i32) -> usize {
    number as u32 as usize
}

pub(super) fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_escaped_and_limited() {
        let mut guest = Guest::default();
        assert_eq!(guest.shown_output(), "");
        guest.add_output(b"thread panicked:\nat \x1b[2J");
        guest.add_output(b"\xff");
        assert_eq!(
            guest.shown_output(),
            "output of the module: thread panicked:\noutput of the module: at \\u{1b}[2J\u{fffd}\n"
        );
        guest.add_output(&[b'a'; MAX_OUTPUT]);
        assert_eq!(guest.output.len(), MAX_OUTPUT);
    }
}
