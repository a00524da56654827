// SPDX-License-Identifier: Apache-2.0
//! Code that is unusual for the sake of speed or size. Each module names its plain
//! equivalent and what was measured (docs/performance.md), and its tests compare
//! the two. Where the code depends on the target (`chunk`, `shared`), the
//! end-to-end cases compare the module's responses with those of native code.

pub mod chunk;
pub mod cut;
pub mod distance;
pub mod known;
pub mod names;
pub mod scan;
pub mod shape;
pub mod shared;
pub mod word;
