// SPDX-License-Identifier: Apache-2.0
//! Names in clouds: parsed once, valid from then on. Each mistake has its own
//! message, because clouds respond to all of them with "not authorized". Also
//! the keys of the annotations with which accounts and Pods use these names.

pub mod account_id;
pub mod error;
pub mod gcp_project;
pub mod gcp_service_account;
pub mod guid;
pub mod key;
pub mod partition;
pub mod role_arn;
pub mod role_arn_error;
pub mod role_path;
pub mod skip_list;
pub mod suspicious_char;

pub use account_id::AccountId;
pub use error::IdentityError;
pub use gcp_project::GcpProject;
pub use gcp_service_account::GcpServiceAccount;
pub use guid::Guid;
pub use partition::Partition;
pub use role_arn::RoleArn;
pub use role_arn_error::RoleArnError;
pub use role_path::RolePath;
