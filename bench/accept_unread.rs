// SPDX-License-Identifier: Apache-2.0

//! A policy that accepts every request without reading it: the baseline of the benchmarks, the least that any policy costs.
//!
//! Built for `wasm32-wasip1` from the same guest crate and with the same profile as the policy; on other targets the program is
//! empty. It is a separate package, so that building it does not build the policy's test dependencies.

#[cfg(target_arch = "wasm32")]
mod guest {
    use wapc_guest::{CallResult, register_function};

    #[expect(unsafe_code, reason = "the name is how the host finds it")]
    #[unsafe(no_mangle)]
    pub extern "C" fn wapc_init() {
        register_function("validate", validate);
        register_function("validate_settings", validate_settings);
        register_function("protocol_version", protocol_version);
    }

    fn validate(_payload: &[u8]) -> CallResult {
        Ok(br#"{"accepted":true}"#.to_vec())
    }

    fn validate_settings(_payload: &[u8]) -> CallResult {
        Ok(br#"{"valid":true}"#.to_vec())
    }

    fn protocol_version(_payload: &[u8]) -> CallResult {
        Ok(br#""v1""#.to_vec())
    }
}
