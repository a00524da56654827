// SPDX-License-Identifier: Apache-2.0

//! The compiled module, and calls of its instances.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use wasmtime::{Engine, Module as WasmModule};

use super::compiled;
use super::wapc::{HostCallback, Instance, Instances, TICK};

/// A module, compiled once; clones share the code.
#[derive(Clone)]
pub struct Module {
    instances: Instances,
    size: usize,
    /// The current number of instances.
    count: Arc<AtomicUsize>,
    /// Identifies the module, if its instances are reused.
    reuse_id: Option<usize>,
}

/// An idle instance, for the next request of its thread.
struct IdleInstance {
    module: usize,
    instance: Instance,
    _alive: Alive,
    /// The bytes of its requests so far; the policy's allocator never frees memory.
    bytes: usize,
}

thread_local! {
    /// One list for each thread, so that no lock is needed. An instance stays until its thread ends.
    static IDLE: RefCell<Vec<IdleInstance>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of requests after which an instance is replaced. It then uses about 2 MB of memory, all of which the next one reuses
/// (`KEPT_MEMORY`).
const MAX_INSTANCE_BYTES: usize = 256 << 10;

/// What a request costs in addition to its bytes.
const REQUEST_BYTES: usize = 4 << 10;

/// Why a call returned no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest exceeded the time limit.
    #[error("Policy execution interrupted because it exceeded the allowed execution time")]
    Timeout,
    /// No instance could be created: the module's start function trapped.
    #[error("cannot rehydrate PolicyEvaluatorPre: {0}")]
    Instance(String),
    /// The guest trapped or returned an error.
    #[error("Guest call failure: {0}")]
    Guest(String),
}

impl Module {
    /// A module from its machine code. `size` is the module's size in bytes.
    ///
    /// # Errors
    /// If the code is for another platform, or another major version or configuration of wasmtime.
    ///
    /// # Safety
    /// The code is run as it is. It must come from [`policy_precompile`], in a build with the same lock file.
    #[expect(unsafe_code, reason = "the caller vouches for the code")]
    pub unsafe fn from_machine_code(code: &[u8], size: usize) -> Result<Self> {
        // SAFETY: the caller vouches for the code.
        let (engine, module) = unsafe { compiled::load(code)? };
        Self::ready(&engine, &module, size)
    }

    /// For many requests in a row: an instance serves several requests of its thread, one after the other. A policy server
    /// creates a new instance for each request; for a policy that keeps no state, this makes no difference.
    #[must_use]
    pub fn reusing_instances(self) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { reuse_id: Some(NEXT.fetch_add(1, Ordering::Relaxed)), ..self }
    }

    /// A module that was compiled by an engine.
    pub(super) fn ready(engine: &Engine, module: &WasmModule, size: usize) -> Result<Self> {
        let instances = Instances::new(engine, module)?;
        tick(engine)?;
        Ok(Self { instances, size, count: Arc::default(), reuse_id: None })
    }

    /// The module's size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The current number of instances.
    pub fn instances(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Calls one operation of an instance: a new one, which is dropped afterwards, or an idle one. The time limit applies to
    /// the start functions and to the call separately.
    pub(super) fn call(
        &self,
        operation: &str,
        payload: &[u8],
        timeout: Duration,
        callback: HostCallback,
    ) -> Result<Vec<u8>, CallError> {
        let Some(module) = self.reuse_id else {
            let _alive = Alive::new(&self.count);
            return self.instances.instantiate(timeout, callback)?.call(operation, payload, timeout);
        };
        let idle = IDLE.with_borrow_mut(|idle| {
            let found = idle.iter().position(|it| it.module == module)?;
            Some(idle.swap_remove(found))
        });
        let mut idle = if let Some(mut idle) = idle {
            idle.instance.set_callback(callback);
            idle
        } else {
            let alive = Alive::new(&self.count);
            let instance = self.instances.instantiate(timeout, callback)?;
            IdleInstance { module, instance, _alive: alive, bytes: 0 }
        };
        let answer = idle.instance.call(operation, payload, timeout);
        idle.bytes += payload.len() + REQUEST_BYTES;
        // An instance that failed is in an unknown state, so it is not reused.
        if answer.is_ok() && idle.bytes < MAX_INSTANCE_BYTES {
            IDLE.with_borrow_mut(|instances| instances.push(idle));
        }
        answer
    }
}

/// Counts an instance until it is dropped.
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

/// Advances the engine's epoch until the engine is dropped.
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
        .context("cannot start the timer that interrupts policies")?;
    Ok(())
}
