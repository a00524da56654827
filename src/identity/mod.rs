// SPDX-License-Identifier: Apache-2.0
//! Names that clouds give: parsed once, valid from then on. What is wrong with
//! a text has its own words, because clouds answer "not authorized" to all of
//! it.

pub mod account_id;
pub mod mistake;
pub mod partition;
pub mod role_arn;
pub mod role_path;
pub mod skip_list;

pub use account_id::AccountId;
pub use mistake::RoleError;
pub use partition::Partition;
pub use role_arn::RoleArn;
pub use role_path::RolePath;
