// SPDX-License-Identifier: Apache-2.0

//! The compiled module, and one call into a fresh instance of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use wapc::{HostCallback, WapcHost};
use wasmtime_provider::wasmtime::{Config, Engine, Module as WasmModule};
use wasmtime_provider::{EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

/// How often the clock that stops runaway guests ticks. The policy server ticks once a second, which is too coarse
/// for tests.
const TICK: Duration = Duration::from_millis(20);

/// What `wasmtime-provider` says when the clock stopped a guest; it has no typed error for that.
const INTERRUPTED: &str = "execution deadline exceeded";

/// A module, compiled once; clones share the code.
#[derive(Clone)]
pub struct Module {
    pre: WasmtimeEngineProviderPre,
    size: usize,
    instances: Arc<AtomicUsize>,
}

/// Why a call gave no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest ran longer than it may.
    #[error("Policy execution interrupted because it exceeded the allowed execution time")]
    Timeout,
    /// No instance could be made: the module's start function trapped.
    #[error("cannot rehydrate PolicyEvaluatorPre: {0}")]
    Instance(String),
    /// The guest trapped or returned an error; waPC does not tell which.
    #[error("Guest call failure: {0}")]
    Guest(String),
}

impl Module {
    /// Compiles a waPC module.
    pub fn new(wasm: &[u8]) -> Result<Self> {
        let mut config = Config::default();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).map_err(|error| anyhow!("cannot start wasmtime: {error:#}"))?;
        let module = WasmModule::new(&engine, wasm).map_err(|error| anyhow!("cannot compile the module: {error:#}"))?;
        let pre = WasmtimeEngineProviderBuilder::new()
            .engine(engine.clone())
            .module(module)
            .build_pre()
            .context("this is no waPC module")?;
        tick(&engine)?;
        Ok(Self { pre, size: wasm.len(), instances: Arc::default() })
    }

    /// The module's size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many instances there are now.
    pub fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }

    /// Makes an instance, calls one operation and drops the instance. The time limit holds for the start functions
    /// and for the call, each on its own.
    pub(super) fn call(
        &self,
        operation: &str,
        payload: &[u8],
        timeout: Duration,
        callback: Box<HostCallback>,
    ) -> Result<Vec<u8>, CallError> {
        let alive = Alive::new(&self.instances);
        let callback: Box<HostCallback> = Box::new(move |id, binding, namespace, operation, payload| {
            let _ = &alive;
            callback(id, binding, namespace, operation, payload)
        });
        // One tick may be nearly over.
        let ticks = u64::try_from(timeout.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX - 1) + 1;
        let deadlines = EpochDeadlines { wapc_init: ticks, wapc_func: ticks };
        let provider = self.pre.rehydrate(Some(deadlines)).map_err(|error| CallError::Instance(error.to_string()))?;
        let host = WapcHost::new(Box::new(provider), Some(callback)).map_err(|error| match error.to_string() {
            text if text.contains(INTERRUPTED) => CallError::Timeout,
            text => CallError::Instance(text),
        })?;
        host.call(operation, payload).map_err(|error| match error {
            wapc::errors::Error::GuestCallFailure(text) if text.contains(INTERRUPTED) => CallError::Timeout,
            wapc::errors::Error::GuestCallFailure(text) => CallError::Guest(text),
            other => CallError::Guest(other.to_string()),
        })
    }
}

/// Counts an instance for as long as its host functions exist, which are part of it.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(instances: &Arc<AtomicUsize>) -> Self {
        instances.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(instances))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Advances the engine's epoch until the engine is gone.
fn tick(engine: &Engine) -> Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .context("cannot start the clock that stops runaway policies")?;
    Ok(())
}
