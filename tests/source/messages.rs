// SPDX-License-Identifier: Apache-2.0
//! Checks that all declared messages belong to rules and are used. The opposite, that a rule declares every message that it
//! uses, is asserted whenever a test runs the rule (`engine::Review::findings`).

use std::collections::BTreeSet;

use serviceaccount_hygiene::rules::RULES;

use crate::scan::Modules;

#[test]
fn rules_have_every_message() {
    let of_rules: BTreeSet<(&str, String)> = RULES
        .iter()
        .flat_map(|rule| rule.messages.iter().copied().flatten())
        .map(|template| (template.name, format!("{:?}", template.message)))
        .collect();
    let modules = Modules::read();
    let missing: Vec<_> =
        modules.messages().filter(|(_, name, text)| !of_rules.contains(&(*name, (*text).to_owned()))).collect();
    assert_eq!(missing, [], "name the module's MESSAGES in the declaration of a rule");
    assert!(modules.messages().count() > 150);
}

#[test]
fn every_message_is_used() {
    assert_eq!(unused(&Modules::read()), Vec::<String>::new(), "remove it, or report it");
}

/// The messages that their module mentions only in their declaration, and that no other module imports.
fn unused(modules: &Modules) -> Vec<String> {
    let is_unused = |module: &str, name: &str| {
        modules.count(module, name) < 2 && !modules.items.contains(&(module.to_owned(), name.to_owned()))
    };
    let unused = modules.messages().filter(|(module, name, _)| is_unused(module, name));
    unused.map(|(module, name, _)| format!("{module}::{name}")).collect()
}

#[test]
fn finds_unused_messages() {
    let messages = r#"messages! { A: "a", help: "x"; B: "b"; C: "c"; } fn f() { add(&A) }"#;
    let sources = [("rules", ""), ("rules::x", messages), ("rules::y", "use super::x::{self, C}; fn f() { add(&C) }")];
    let modules = Modules::parse(&sources.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    assert_eq!(
        modules.messages().map(|(_, name, text)| (name, text)).collect::<Vec<_>>(),
        [("A", r#""a""#), ("B", r#""b""#), ("C", r#""c""#),]
    );
    assert_eq!(unused(&modules), ["rules::x::B"]);
}
