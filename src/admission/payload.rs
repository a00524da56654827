// SPDX-License-Identifier: Apache-2.0
//! What the host sends to `validate`: a request and the settings, read in one
//! pass.

use super::request::Request;
use crate::fast::known::Known;
use crate::object::json::{Cursor, Read};
use crate::object::view::{self, ReadError, View, Walk};
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
    /// Settings that precede the request.
    early: Option<Cursor<'a>>,
}

impl<'a> Payload<'a> {
    /// Reads a payload. `rule_ids` are the IDs of all rules.
    ///
    /// # Errors
    /// [`ReadError`] when the request has the wrong shape. Problems with the
    /// settings are collected instead.
    pub fn read(text: &'a str, rule_ids: &'a [&'static str]) -> Result<Self, ReadError> {
        let mut payload =
            Self { request: None, settings: Settings::default(), problems: Problems::default(), rule_ids, early: None };
        let mut json = Cursor::new(text);
        let read = payload.fill(&mut json).and_then(|()| json.end());
        read.map_err(|error| view::based(error, ""))?;
        if let Some(mut json) = payload.early.take() {
            payload.read_settings(&mut json);
        }
        Ok(payload)
    }

    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        static KNOWN: Known = Known::new(&["request", "settings"]);
        let mut walk = Walk::default();
        while let Some(position) = walk.next(&KNOWN, json)? {
            if position == 0 {
                self.request.fill(json).map_err(|error| view::in_field(error, "request"))?;
            } else if self.request.is_none() {
                self.early = Some(json.clone());
                json.skip()?;
            } else {
                let start = json.start();
                self.read_settings(json);
                json.skip_unread(start)?;
            }
        }
        Ok(())
    }

    fn read_settings(&mut self, json: &mut Cursor<'a>) {
        let envelope = self.request.as_ref().map(Request::envelope);
        self.settings = Settings::read(json, self.rule_ids, envelope, &mut self.problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::exemptions::Exemption;

    /// Hosts write the request first, but nothing relies on that.
    #[test]
    fn reads_settings_before_request() {
        let request = r#""request": {"namespace": "shop", "kind": {"kind": "Pod"}}"#;
        let settings = r#""settings": {"exemptions": [{"namespaces": ["bank"]}, {"namespaces": ["shop"]}], "phse": 1}"#;
        for text in [format!("{{{request}, {settings}}}"), format!("{{{settings}, {request}}}")] {
            let payload = Payload::read(&text, &[]).unwrap();
            let exemptions: Vec<_> = payload.settings.common.exemptions.iter().map(Exemption::number).collect();
            assert_eq!(exemptions, [1]);
            assert_eq!(payload.problems.into_lines(), ["phse: unknown setting `phse`; did you mean `phase`?"]);
        }
    }
}
