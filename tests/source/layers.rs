// SPDX-License-Identifier: Apache-2.0
//! Checks which module may import which: a module imports only from its own layer and from those below, and there are no import
//! cycles.

use std::collections::BTreeSet;

use crate::scan::Modules;

/// The layers, the lowest first. Modules of one line do not import each other.
const LAYERS: &[&[&str]] = &[
    &["fast"],
    &["diagnostic"],
    &["matching"],
    &["object", "identity"],
    &["settings"],
    &["admission"],
    &["cluster"],
    &["engine"],
    &["rules"],
    &["guest"],
    &["lib"],
];

#[test]
fn imports_only_lower_layers() {
    let modules = Modules::read();
    assert_eq!(modules.upward_imports(), Vec::<String>::new(), "move what both need to a lower layer");
}

#[test]
fn imports_are_acyclic() {
    let modules = Modules::read();
    assert_eq!(modules.cycle(), None, "move what both need to a module of its own");
}

#[test]
fn layers_name_every_module() {
    let modules = Modules::read();
    let found: BTreeSet<&str> = modules.imports.keys().map(|name| top(name)).collect();
    let named: BTreeSet<&str> = LAYERS.iter().copied().flatten().copied().collect();
    assert_eq!(found, named);
}

impl Modules {
    /// Imports from a layer above, or from the same line of [`LAYERS`].
    fn upward_imports(&self) -> Vec<String> {
        let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&top(name)));
        let all = self.imports.iter().flat_map(|(from, imports)| imports.iter().map(move |to| (from, to)));
        all.filter(|(from, to)| top(from) != top(to) && layer(from) <= layer(to))
            .map(|(from, to)| format!("{from} imports {to}"))
            .collect()
    }

    /// A chain of imports that ends where it started.
    fn cycle(&self) -> Option<Vec<&str>> {
        let mut done = BTreeSet::new();
        self.imports.keys().find_map(|name| self.cycle_from(name, &mut Vec::new(), &mut done))
    }

    fn cycle_from<'m>(
        &'m self,
        name: &'m str,
        chain: &mut Vec<&'m str>,
        done: &mut BTreeSet<&'m str>,
    ) -> Option<Vec<&'m str>> {
        if let Some(start) = chain.iter().position(|earlier| *earlier == name) {
            return Some(chain.iter().skip(start).copied().chain([name]).collect());
        }
        if done.contains(name) {
            return None;
        }
        chain.push(name);
        let found = self.imports.get(name).into_iter().flatten().find_map(|next| self.cycle_from(next, chain, done));
        chain.pop();
        done.insert(name);
        found
    }
}

fn top(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
}

/// Checks that the tests above can fail.
mod violations {
    use super::*;
    use crate::scan::ROOT;

    fn modules(sources: &[(&str, &str)]) -> Modules {
        Modules::parse(&sources.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn imports(name: &str, sources: &[(&str, &str)]) -> Vec<String> {
        modules(sources).imports.remove(name).unwrap().into_iter().collect()
    }

    #[test]
    fn finds_every_form_of_import() {
        let all = [("a", ""), ("a::b", ""), ("a::c", ""), ("a::c::d", ""), ("e", "#[macro_export] macro_rules! f {}")];
        let import = |name: &str, text: &str| {
            let mut sources = all.to_vec();
            sources.retain(|(other, _)| *other != name);
            sources.push((name, text));
            imports(name, &sources)
        };
        assert_eq!(import("e", "use crate::a::{self, b::X, c::{d::*, Y}};"), ["a", "a::b", "a::c", "a::c::d"]);
        assert_eq!(import("e", "fn f() -> crate::a::b::X<u8> { crate::a::c::y() }"), ["a::b", "a::c"]);
        assert_eq!(import("a::c", "use super::{b, Z}; use super::super::e;"), ["a", "a::b", "e"]);
        assert_eq!(import("a", "mod b; mod c; fn f() { b::x(c::d::Y) }"), ["a::b", "a::c::d"]);
        assert_eq!(import("a", "list! { b: B, c: C }"), ["a::b", "a::c"]);
        assert_eq!(import("a::b", "use crate::f; f! {}"), ["e"]);
        assert_eq!(import("a::b", "use crate::LIMIT;"), [ROOT]);
    }

    #[test]
    fn skips_tests_comments_and_texts() {
        let text = "//! [`crate::a`]\n#[cfg(test)] use crate::a; #[cfg(test)] mod tests { use crate::a; }
            const X: &str = \"crate::a\"; #[cfg(test)] mod helpers;";
        let sources = [("a", ""), ("b", text), ("b::helpers", "use crate::a;")];
        assert_eq!(imports("b", &sources), Vec::<String>::new());
        assert_eq!(modules(&sources).imports.len(), 2);
    }

    #[test]
    fn reports_imports_from_above() {
        let planted = modules(&[
            ("rules", ""),
            ("engine", "use crate::settings::X; use crate::rules::RULES;"),
            ("settings", "use crate::fast; fn f() { crate::engine::review() }"),
            ("fast", ""),
            ("object", "use crate::identity::key;"),
            ("identity", ""),
        ]);
        let expected = ["engine imports rules", "object imports identity", "settings imports engine"];
        assert_eq!(planted.upward_imports(), expected);
    }

    #[test]
    fn reports_cycles_of_any_length() {
        let planted = [("a", "mod b; pub use b::X;"), ("a::b", "use super::c::Y;"), ("a::c", "use super::Z;")];
        assert_eq!(modules(&planted).cycle(), Some(vec!["a", "a::b", "a::c", "a"]));
        assert_eq!(modules(&planted[..2]).cycle(), Some(vec!["a", "a::b", "a"]));
        assert_eq!(modules(&[("a", "use crate::b;"), ("b", "")]).cycle(), None);
    }
}
