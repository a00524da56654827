// SPDX-License-Identifier: Apache-2.0

//! HTML that escapes names.

use policy_host::shown;

use crate::report::Recommendation;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds trusted markup.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds untrusted text, as the content of an element or of an attribute in double quotes.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in shown::text(text).chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// Adds a term and its texts, if there are any.
    pub fn entry(&mut self, term: &str, texts: &[String]) -> &mut Self {
        match texts {
            [] => self,
            [text] => self.raw("<dt>").raw(term).raw("</dt><dd>").text(text).raw("</dd>\n"),
            texts => {
                self.raw("<dt>").raw(term).raw("</dt><dd><ul>");
                for text in texts {
                    self.raw("<li>").text(text).raw("</li>");
                }
                self.raw("</ul></dd>\n")
            }
        }
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// The class that determines the color of a recommendation.
pub(super) const fn class(recommendation: Recommendation) -> &'static str {
    match recommendation {
        Recommendation::KeepUsed => "r-keep",
        Recommendation::MoveOffDefault => "r-move",
        Recommendation::ReplaceLegacyToken => "r-replace",
        Recommendation::Narrow => "r-narrow",
        Recommendation::RemoveUnused => "r-unused",
        Recommendation::Remove => "r-remove",
        Recommendation::Unknown => "r-unknown",
        Recommendation::NoToken => "r-none",
    }
}
