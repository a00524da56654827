// SPDX-License-Identifier: Apache-2.0

//! Counts the instructions and the memory of a request: the numbers are the same on every machine.
//!
//! Times vary from run to run; wasmtime's fuel counts the instructions of the module that run. This is a second, smaller waPC
//! host, only for counting: a test compares its responses with those of the embedded host.

use anyhow::{Context as _, Result, anyhow};
use wasmtime::{Caller, Config, Engine, Extern, ExternType, Linker, Memory, Module, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::random::Deterministic;

/// More fuel than any request may use.
const FUEL: u64 = 10_000_000_000;

/// The module, compiled with counters.
pub struct CountedModule {
    engine: Engine,
    module: Module,
    linker: Linker<Guest>,
}

/// The cost of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Instructions to initialize the instance.
    pub start: u64,
    /// Instructions of the call.
    pub call: u64,
    /// Memory at the end, in pages of 64 KiB; it never shrinks.
    pub pages: u64,
    /// The guest's response.
    pub answer: Vec<u8>,
}

/// The state of one call.
struct Guest {
    wasi: WasiP1Ctx,
    operation: &'static str,
    payload: Vec<u8>,
    /// The account that look-ups find; if there is none, the host rejects look-ups.
    account: Option<Vec<u8>>,
    /// The result of every access review.
    allowed: bool,
    /// Whether the last host call was an access review.
    is_review: bool,
    answer: Option<Vec<u8>>,
    error: Vec<u8>,
}

impl Guest {
    /// The response to the last host call.
    fn host_answer(&self) -> &[u8] {
        match (self.is_review, self.allowed) {
            (true, true) => {
                br#"{"allowed":true,"reason":"RBAC: allowed by RoleBinding \"web/shop\" of ClusterRole \"view\""}"#
            }
            (true, false) => br#"{"allowed":false}"#,
            (false, _) => self.account.as_deref().unwrap_or_default(),
        }
    }
}

impl CountedModule {
    /// Compiles the policy.
    ///
    /// # Errors
    /// If wasmtime cannot compile it.
    pub fn load() -> Result<Self> {
        let engine = Engine::new(Config::new().consume_fuel(true)).map_err(|error| anyhow!("wasmtime: {error:#}"))?;
        let module = Module::new(&engine, policy_module::WASM)
            .map_err(|error| anyhow!("cannot compile the module: {error:#}"))?;
        let linker = linker(&engine).map_err(|error| anyhow!("cannot link the module: {error:#}"))?;
        Ok(Self { engine, module, linker })
    }

    /// The functions that the module imports from its host, as `module.name`.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    /// The functions that the module exports.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let functions = self.module.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
        functions.map(|export| export.name().to_owned()).collect()
    }

    /// Calls an operation in a new instance. `account` is the ServiceAccount that look-ups find, and `allowed` the result of
    /// access reviews.
    ///
    /// # Errors
    /// If the guest traps, or returns an error.
    pub fn call(&self, operation: &'static str, payload: &[u8], account: Option<&str>, allowed: bool) -> Result<Count> {
        let guest = Guest {
            // The table of operations has a random seed; with a fixed one, its cost is constant.
            wasi: WasiCtxBuilder::new().secure_random(Deterministic::new(vec![7])).build_p1(),
            operation,
            payload: payload.to_vec(),
            account: account.map(|account| account.as_bytes().to_vec()),
            allowed,
            is_review: false,
            answer: None,
            error: Vec::new(),
        };
        self.count(guest).map_err(|error| anyhow!("{operation}: {error:#}"))
    }

    fn count(&self, guest: Guest) -> wasmtime::Result<Count> {
        let lengths = (length(guest.operation.len()), length(guest.payload.len()));
        let mut store = Store::new(&self.engine, guest);
        store.set_fuel(FUEL)?;
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        for start in ["_start", "wapc_init"] {
            if let Ok(start) = instance.get_typed_func::<(), ()>(&mut store, start) {
                start.call(&mut store, ())?;
            }
        }
        let start = FUEL - store.get_fuel()?;
        let call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "__guest_call")?;
        call.call(&mut store, lengths)?;
        let call = FUEL - start - store.get_fuel()?;
        let memory = instance.get_memory(&mut store, "memory").context("the module has no memory");
        let pages = memory.map_err(|error| wasmtime::Error::msg(error.to_string()))?.size(&store);
        let guest = store.into_data();
        let answer =
            guest.answer.ok_or_else(|| wasmtime::Error::msg(String::from_utf8_lossy(&guest.error).into_owned()))?;
        Ok(Count { start, call, pages, answer })
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// The waPC functions of a host.
/// <https://wapc.io/docs/spec/>
fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |guest: &mut Guest| &mut guest.wasi)?;
    linker.func_wrap("wapc", "__guest_request", |mut caller: Caller<'_, Guest>, operation: i32, payload: i32| {
        let guest = caller.data_mut();
        let (name, bytes) = (guest.operation, std::mem::take(&mut guest.payload));
        write(&mut caller, operation, name.as_bytes())?;
        write(&mut caller, payload, &bytes)
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut caller: Caller<'_, Guest>, at: i32, length: i32| {
        let answer = read(&mut caller, at, length)?;
        caller.data_mut().answer = Some(answer);
        Ok(())
    })?;
    linker.func_wrap("wapc", "__guest_error", |mut caller: Caller<'_, Guest>, at: i32, length: i32| {
        let error = read(&mut caller, at, length)?;
        caller.data_mut().error = error;
        Ok(())
    })?;
    linker.func_wrap(
        "wapc",
        "__host_call",
        |mut caller: Caller<'_, Guest>, _: i32, _: i32, _: i32, _: i32, at: i32, length: i32, _: i32, _: i32| {
            let operation = read(&mut caller, at, length)?;
            let guest = caller.data_mut();
            guest.is_review = operation == b"can_i";
            Ok(i32::from(guest.is_review || guest.account.is_some()))
        },
    )?;
    linker.func_wrap("wapc", "__host_response_len", |caller: Caller<'_, Guest>| {
        length(caller.data().host_answer().len())
    })?;
    linker.func_wrap("wapc", "__host_response", |mut caller: Caller<'_, Guest>, at: i32| {
        let answer = caller.data().host_answer().to_vec();
        write(&mut caller, at, &answer)
    })?;
    linker.func_wrap("wapc", "__host_error_len", |_: Caller<'_, Guest>| length(REFUSED.len()))?;
    linker.func_wrap("wapc", "__host_error", |mut caller: Caller<'_, Guest>, at: i32| {
        write(&mut caller, at, REFUSED.as_bytes())
    })?;
    linker.func_wrap("wapc", "__console_log", |_: Caller<'_, Guest>, _: i32, _: i32| {})?;
    Ok(linker)
}

/// The error of a policy server that does not allow its policies to look up objects.
const REFUSED: &str =
    "Policy has not been granted access to Kubernetes v1/ServiceAccount resources. The violation has been reported.";

fn memory(caller: &mut Caller<'_, Guest>) -> wasmtime::Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(wasmtime::Error::msg("the module has no memory")),
    }
}

fn write(caller: &mut Caller<'_, Guest>, at: i32, bytes: &[u8]) -> wasmtime::Result<()> {
    let memory = memory(caller)?;
    memory.write(caller, offset(at), bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))
}

fn read(caller: &mut Caller<'_, Guest>, at: i32, length: i32) -> wasmtime::Result<Vec<u8>> {
    let memory = memory(caller)?;
    let mut bytes = vec![0; offset(length)];
    memory.read(caller, offset(at), &mut bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    Ok(bytes)
}

/// Addresses are unsigned, although wasm has one type for signed and unsigned numbers.
#[expect(clippy::cast_sign_loss, reason = "wasm has one type for signed and unsigned numbers")]
const fn offset(number: i32) -> usize {
    number as u32 as usize
}
