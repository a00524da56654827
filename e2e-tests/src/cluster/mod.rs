// SPDX-License-Identifier: Apache-2.0

//! The cases and the examples on a real control plane: `kube-apiserver` with `etcd`, and Kubewarden's `policy-server` with
//! the policies installed as Kubewarden's controller installs them. Everything runs on the loopback interface, in a
//! temporary folder, and is stopped at the end.
//!
//! | module | what it does |
//! |---|---|
//! | [`assets`], [`module`] | the binaries, and the policy as `policy-server` loads it |
//! | [`processes`], [`pki`], [`control_plane`], [`policy_server`] | the processes, with certificates of this run |
//! | [`api`], [`discovery`], [`audit`], [`forwarder`], [`capture`] | requests to the API server, its audit log, and tools to disconnect it and to record what it sends |
//! | [`policies`], [`webhooks`] | policies as Kubewarden's controller installs them |
//! | [`plan`], [`preparation`], [`fixtures`], [`exchange`], [`compare`], [`cases`] | each case: the stored objects, the request, and the expected result |
//! | [`conditions`], [`manifests`] | which requests reach the examples, and whether Kubewarden accepts their manifests |
//! | [`flows`] | the policies in a cluster with running controllers |
//! | [`refusals`] | objects that the API server itself rejects |
//! | [`bench`] | the time to create a Pod, and to create many of them |
//! | [`report`] | the results |

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
pub mod fixtures;
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
pub mod webhooks;
