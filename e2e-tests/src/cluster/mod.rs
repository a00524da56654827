// SPDX-License-Identifier: Apache-2.0

//! The cases and the examples on a real control plane: `kube-apiserver` with `etcd`, and Kubewarden's `policy-server` with
//! the policies installed as Kubewarden's controller installs them. Everything runs on the loopback interface, in a
//! temporary folder, and is stopped at the end.
//!
//! | module | what it does |
//! |---|---|
//! | [`assets`], [`module`] | the binaries, and the policy as `policy-server` loads it |
//! | [`processes`], [`pki`], [`control_plane`], [`policy_server`] | what runs, with certificates of this run |
//! | [`api`], [`discovery`], [`audit`], [`forwarder`], [`capture`] | how the API server is spoken to, watched and cut off |
//! | [`policies`], [`webhooks`] | policies as Kubewarden's controller installs them |
//! | [`plan`], [`preparation`], [`stage`], [`exchange`], [`compare`], [`cases`] | each case: what is stored before, what is sent, what must come back |
//! | [`conditions`], [`manifests`] | which requests reach the examples, and whether Kubewarden takes their manifests |
//! | [`flows`] | the policies in a cluster whose controllers work |
//! | [`refusals`] | what the API server rejects itself |
//! | [`bench`] | how long a Pod takes, and many of them |
//! | [`report`] | what came of it |

pub mod api;
pub mod assets;
pub mod audit;
pub mod bench;
pub mod capture;
pub mod cases;
pub mod compare;
pub mod conditions;
pub mod control_plane;
pub mod discovery;
pub mod exchange;
pub mod flows;
pub mod forwarder;
pub mod manifests;
pub mod module;
pub mod pki;
pub mod plan;
pub mod policies;
pub mod policy_server;
pub mod preparation;
pub mod processes;
pub mod refusals;
pub mod report;
pub mod stage;
pub mod webhooks;
