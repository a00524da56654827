// SPDX-License-Identifier: Apache-2.0
//! What the host sends to `validate`: a request and the settings, read in one
//! pass.

use super::request::Request;
use crate::object::json::{Cursor, Read};
use crate::object::view::{self, Fields, Misfit, View};
use crate::settings::Settings;
use crate::settings::reader::Problems;

/// What the host sends to `validate`.
#[derive(Debug)]
pub struct Payload<'a> {
    /// The request to review.
    pub request: Option<Request<'a>>,
    /// The settings of the policy.
    pub settings: Settings<'a>,
    /// What is wrong with the settings.
    pub problems: Problems,
    rule_ids: &'a [&'static str],
}

impl<'a> Payload<'a> {
    /// Reads a payload. `rule_ids` are the rules that there are.
    ///
    /// # Errors
    /// [`Misfit`] when the request does not fit. Problems of the settings are
    /// collected, not returned.
    pub fn read(text: &'a str, rule_ids: &'a [&'static str]) -> Result<Self, Misfit> {
        let mut payload =
            Self { request: None, settings: Settings::default(), problems: Problems::default(), rule_ids };
        let mut json = Cursor::new(text);
        let read = view::fields(&mut payload, &mut json).and_then(|()| json.end());
        read.map(|()| payload).map_err(|misfit| view::based(misfit, ""))
    }
}

impl<'a> Fields<'a> for Payload<'a> {
    fn keys(&self) -> &'static [&'static str] {
        &["request", "settings"]
    }

    fn set(&mut self, key: &str, json: &mut Cursor<'a>) -> Read<()> {
        if key == "request" {
            return self.request.fill(json);
        }
        let start = json.start();
        self.settings = Settings::read(json, self.rule_ids, &mut self.problems);
        json.skip_unread(start)
    }
}
