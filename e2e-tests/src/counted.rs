// SPDX-License-Identifier: Apache-2.0

//! What a request costs, counted: the same number on every machine.
//!
//! Times differ from minute to minute; wasmtime's fuel counts the instructions of the module that run. This is a
//! second, smaller waPC host, for counting only: a test holds its answers against those of the embedded host.

use anyhow::{Context as _, Result, anyhow};
use sa_hygiene::POLICY_WASM;
use wasmtime::{Caller, Config, Engine, Extern, ExternType, Linker, Memory, Module, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::random::Deterministic;

/// More than any request may take.
const TANK: u64 = 10_000_000_000;

/// The module with its counters on.
pub struct CountedModule {
    engine: Engine,
    module: Module,
    linker: Linker<Guest>,
}

/// What one call cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Instructions that make the instance ready.
    pub start: u64,
    /// Instructions of the call.
    pub call: u64,
    /// Memory at the end, in pages of 64 KiB; it never shrinks.
    pub pages: u64,
    /// What the guest answered.
    pub answer: Vec<u8>,
}

/// One call's state.
struct Guest {
    wasi: WasiP1Ctx,
    operation: &'static str,
    payload: Vec<u8>,
    /// What look-ups find; without it the host refuses them.
    account: Option<Vec<u8>>,
    /// Whether accounts may do what is asked.
    allowed: bool,
    /// Whether the last question was that.
    is_review: bool,
    answer: Option<Vec<u8>>,
    error: Vec<u8>,
}

impl Guest {
    /// The answer to the last question.
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
    /// When wasmtime cannot.
    pub fn load() -> Result<Self> {
        let engine = Engine::new(Config::new().consume_fuel(true)).map_err(|error| anyhow!("wasmtime: {error:#}"))?;
        let module =
            Module::new(&engine, POLICY_WASM).map_err(|error| anyhow!("cannot compile the module: {error:#}"))?;
        let linker = linker(&engine).map_err(|error| anyhow!("cannot link the module: {error:#}"))?;
        Ok(Self { engine, module, linker })
    }

    /// Functions that the module asks of its host, as `module.name`.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    /// Functions that the module offers.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let functions = self.module.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
        functions.map(|export| export.name().to_owned()).collect()
    }

    /// Calls an operation in a fresh instance. `account` is the ServiceAccount that a look-up finds, and `allowed` the
    /// answer to what it may do.
    ///
    /// # Errors
    /// When the guest traps, or answers with an error.
    pub fn call(&self, operation: &'static str, payload: &[u8], account: Option<&str>, allowed: bool) -> Result<Count> {
        let guest = Guest {
            // The table of operations is seeded at random; its cost must not be.
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
        store.set_fuel(TANK)?;
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        for start in ["_initialize", "_start", "wapc_init"] {
            if let Ok(start) = instance.get_typed_func::<(), ()>(&mut store, start) {
                start.call(&mut store, ())?;
            }
        }
        let start = TANK - store.get_fuel()?;
        let call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "__guest_call")?;
        call.call(&mut store, lengths)?;
        let call = TANK - start - store.get_fuel()?;
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

/// What a policy server says that does not let its policies look up anything.
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

/// Addresses are unsigned, whatever their type says.
#[expect(clippy::cast_sign_loss, reason = "wasm has one type for signed and unsigned numbers")]
const fn offset(number: i32) -> usize {
    number as u32 as usize
}
