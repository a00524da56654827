// SPDX-License-Identifier: Apache-2.0
//! Which module of `src/` may import which: a module imports only from its own
//! layer and from those below, and no import leads back to where it came from.
//! Tests inside of the modules are not looked at: they may use everything.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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

/// The name that the crate's root has here.
const ROOT: &str = "lib";

#[test]
fn imports_only_lower_layers() {
    let modules = Modules::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(modules.imports.len() > 60 && modules.imports.values().map(BTreeSet::len).sum::<usize>() > 300);
    assert_eq!(modules.upward_imports(), Vec::<String>::new(), "move what both need to a lower layer");
}

#[test]
fn imports_are_acyclic() {
    let modules = Modules::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert_eq!(modules.cycle(), None, "move what both need to a module of its own");
}

#[test]
fn layers_name_every_module() {
    let modules = Modules::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let found: BTreeSet<&str> = modules.imports.keys().map(|name| top(name)).collect();
    let named: BTreeSet<&str> = LAYERS.iter().copied().flatten().copied().collect();
    assert_eq!(found, named);
}

/// The modules of a crate, by their path (`engine::plan`).
struct Modules {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Modules {
    fn read(src: &Path) -> Self {
        let mut sources = BTreeMap::new();
        read_dir(src, "", &mut sources);
        Self::parse(&sources)
    }

    /// From the text of each module.
    fn parse(sources: &BTreeMap<String, String>) -> Self {
        let mut parsed: BTreeMap<&str, Source> =
            sources.iter().map(|(name, text)| (name.as_str(), Source::parse(text))).collect();
        let tests: BTreeSet<String> = parsed
            .iter()
            .flat_map(|(name, source)| source.test_modules.iter().map(move |child| join(name, child)))
            .collect();
        parsed.retain(|name, _| !tests.contains(*name));
        let names: BTreeSet<&str> = parsed.keys().copied().collect();
        let macros: BTreeMap<&str, &str> = parsed
            .iter()
            .flat_map(|(name, source)| source.exported_macros.iter().map(move |exported| (exported.as_str(), *name)))
            .collect();
        let resolve = |from: &str, path: &[String]| {
            let absolute = absolute(from, path, &names)?;
            let module = (0..=absolute.len())
                .rev()
                .map(|length| absolute.get(..length).unwrap_or_default().join("::"))
                .find(|prefix| names.contains(prefix.as_str()));
            let exported = absolute.first().and_then(|first| macros.get(first.as_str()));
            let found = module.or(exported.map(|module| (*module).to_owned())).unwrap_or_else(|| ROOT.to_owned());
            (found != from).then_some(found)
        };
        let imports = parsed
            .iter()
            .map(|(name, source)| {
                let resolved = source.paths.iter().filter_map(|path| resolve(name, path));
                ((*name).to_owned(), resolved.collect())
            })
            .collect();
        Self { imports }
    }

    /// The imports from a layer above, or from the same line of [`LAYERS`].
    fn upward_imports(&self) -> Vec<String> {
        let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&top(name)));
        let all = self.imports.iter().flat_map(|(from, imports)| imports.iter().map(move |to| (from, to)));
        all.filter(|(from, to)| top(from) != top(to) && layer(from) <= layer(to))
            .map(|(from, to)| format!("{from} imports {to}"))
            .collect()
    }

    /// A chain of imports that ends where it began.
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

fn read_dir(dir: &Path, parent: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            read_dir(&path, &join(parent, name), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if name == "mod" { parent.to_owned() } else { join(parent, name) };
            sources.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() || parent == ROOT { name.to_owned() } else { format!("{parent}::{name}") }
}

fn top(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
}

/// A path from the crate's root; none if it begins with a name that is not a module's.
fn absolute(from: &str, path: &[String], names: &BTreeSet<&str>) -> Option<Vec<String>> {
    let here = || from.split("::").filter(|name| *name != ROOT).map(str::to_owned).collect::<Vec<_>>();
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([here(), rest.to_vec()].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let mut base = here();
            base.truncate(base.len().saturating_sub(ups));
            Some([base, path.iter().skip(ups).cloned().collect()].concat())
        }
        child => names.contains(join(from, child).as_str()).then(|| [here(), path.to_vec()].concat()),
    }
}

/// What matters of the text of a module.
#[derive(Default)]
struct Source {
    /// Every path in it: of a `use`, or in the middle of the code.
    paths: Vec<Vec<String>>,
    /// Modules that only tests have.
    test_modules: Vec<String>,
    /// Macros that are called through the crate's root.
    exported_macros: Vec<String>,
}

impl Source {
    fn parse(text: &str) -> Self {
        let mut source = Self::default();
        source.walk(text.parse().unwrap());
        source
    }

    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            at += match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(rest),
                TokenTree::Ident(_) if word(rest.first()) == "mod" => 2,
                TokenTree::Ident(_) => self.path(&[], rest).max(1),
                TokenTree::Group(group) => {
                    self.walk(group.stream());
                    1
                }
                _ => 1,
            };
        }
    }

    /// Passes an attribute, and what stands below it if that is for tests.
    fn attribute(&mut self, tokens: &[TokenTree]) -> usize {
        let Some(TokenTree::Group(attribute)) = tokens.get(1) else { return 1 };
        match attribute.stream().to_string().replace(' ', "").as_str() {
            "cfg(test)" => {
                let is_end = |token: &TokenTree| match token {
                    TokenTree::Punct(punct) => punct.as_char() == ';',
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    _ => false,
                };
                let end = tokens.iter().position(is_end).unwrap_or(tokens.len());
                if let Some(name) = tokens.iter().position(|token| word(Some(token)) == "mod").filter(|at| *at < end) {
                    self.test_modules.push(word(tokens.get(name + 1)));
                }
                end + 1
            }
            "macro_export" => {
                self.exported_macros.push(word(tokens.get(4)));
                2
            }
            _ => 2,
        }
    }

    /// Reads a path with everything below it; returns how many tokens it has.
    fn path(&mut self, base: &[String], tokens: &[TokenTree]) -> usize {
        let mut path = base.to_vec();
        path.push(word(tokens.first()));
        let mut length = 1;
        while is_colon(tokens.get(length)) && is_colon(tokens.get(length + 1)) {
            length += 2;
            match tokens.get(length) {
                Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
                Some(TokenTree::Group(group)) => {
                    let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                    let is_comma =
                        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for branch in branches.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.path(&path, branch);
                    }
                    return length + 1;
                }
                // A type's parameters, or everything.
                _ => break,
            }
            length += 1;
        }
        // What a macro is called with may become a path.
        if matches!(tokens.get(length), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
            && let Some(TokenTree::Group(group)) = tokens.get(length + 1)
            && group.delimiter() == Delimiter::Brace
        {
            self.paths.extend(group.stream().into_iter().map(|token| vec![word(Some(&token))]));
        }
        // `use a::{self}` is `use a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if path.len() > 1 {
            self.paths.push(path);
        }
        length
    }
}

fn word(token: Option<&TokenTree>) -> String {
    if let Some(TokenTree::Ident(ident)) = token { ident.to_string() } else { String::new() }
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}

/// That the tests above can fail.
mod violations {
    use super::*;

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
