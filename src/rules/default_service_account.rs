// SPDX-License-Identifier: Apache-2.0
//! `default-service-account`: nothing that holds an API token runs as `default`.
//!
//! Whatever is bound to `default` is bound to every Pod of the namespace that
//! names no account. A token of it makes that real. Tokens for others (a mesh,
//! a cloud, a vault) do not open the Kubernetes API and do not count.

use super::tokens::{self, ApiToken};
use super::{Check, Room, Rule};
use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Findings, Wording};
use crate::engine::scene::{Scene, Stop};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "default-service-account",
    summary: "a Pod that holds an API token has an account of its own",
    subjects: &[SubjectKind::Pod],
    params: &PARAMS,
    wordings: &[&HOLDS_VOLUME, &WOULD_HOLD, &STRICT],
    room: Room::Check { default: CheckAction::Reject, build: |params| Box::new(DefaultServiceAccount::new(params)) },
};

static PARAMS: [Param; 1] = [STRICT_PARAM];

const STRICT_PARAM: Param = Param {
    name: "strict",
    kind: Kind::Flag,
    default: "false",
    doc: "also a finding without an API token: every Pod names an account",
};

static HOLDS_VOLUME: Wording = Wording {
    name: "holds-volume",
    template: "runs as the default account with an API token (volume {}); name an account of its own, or take the token away",
};
static WOULD_HOLD: Wording = Wording {
    name: "would-hold",
    template: "its Pods would run as the default account with an API token; name an account of its own, or set automountServiceAccountToken: false",
};
static STRICT: Wording =
    Wording { name: "strict", template: "runs as the default account; name an account of its own" };

struct DefaultServiceAccount {
    strict: bool,
}

impl DefaultServiceAccount {
    fn new(params: &mut Params<'_, '_>) -> Self {
        Self { strict: params.flag(&PARAMS[0]) }
    }
}

impl Check for DefaultServiceAccount {
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let Some(workload) = scene.workload().filter(|workload| workload.is_default_account()) else { return Ok(()) };
        let place = workload.spec_place().field("serviceAccountName");
        match tokens::api_token(scene, workload)? {
            Some(ApiToken::In(_, volume)) => {
                findings.add(place, &HOLDS_VOLUME, &[volume.name.as_deref().unwrap_or_default()]);
            }
            Some(ApiToken::ToCome) => findings.add(place, &WOULD_HOLD, &[]),
            None if self.strict => findings.add(place, &STRICT, &[]),
            None => {}
        }
        Ok(())
    }
}
