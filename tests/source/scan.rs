// SPDX-License-Identifier: Apache-2.0
//! Parses the source code of the policy: modules, the paths in them, and messages. Code that only tests use is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The name of the crate's root module in these tests.
pub const ROOT: &str = "lib";

/// The modules of a crate, by path (`engine::plan`).
pub struct Modules {
    /// The other modules that each module imports.
    pub imports: BTreeMap<String, BTreeSet<String>>,
    /// The imported items, each with its module.
    pub items: BTreeSet<(String, String)>,
    sources: BTreeMap<String, Source>,
}

impl Modules {
    /// The modules of the policy.
    pub fn read() -> Self {
        let mut texts = BTreeMap::new();
        read_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), "", &mut texts);
        let modules = Self::parse(&texts);
        assert!(modules.imports.len() > 60 && modules.imports.values().map(BTreeSet::len).sum::<usize>() > 300);
        modules
    }

    /// Parses the text of each module.
    pub fn parse(texts: &BTreeMap<String, String>) -> Self {
        let mut sources: BTreeMap<String, Source> =
            texts.iter().map(|(name, text)| (name.clone(), Source::parse(text))).collect();
        let tests: BTreeSet<String> = sources
            .iter()
            .flat_map(|(name, source)| source.test_modules.iter().map(move |child| join(name, child)))
            .collect();
        sources.retain(|name, _| !tests.contains(name));
        let (mut imports, mut items) = (BTreeMap::new(), BTreeSet::new());
        for (from, source) in &sources {
            let resolved = source.paths.iter().filter_map(|path| resolve(from, path, &sources));
            let others: Vec<_> = resolved.filter(|(module, _)| module != from).collect();
            imports.insert(from.clone(), others.iter().map(|(module, _)| module.clone()).collect());
            items.extend(others);
        }
        Self { imports, items, sources }
    }

    /// All declared messages: module, name, and literal.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sources.iter().flat_map(|(module, source)| {
            source.messages.iter().map(move |(name, text)| (module.as_str(), name.as_str(), text.as_str()))
        })
    }

    /// How often a word occurs in the code of a module.
    pub fn count(&self, module: &str, word: &str) -> usize {
        self.sources.get(module).and_then(|source| source.words.get(word)).copied().unwrap_or_default()
    }
}

/// The module that a path refers to, and the item in it; none if the path starts with a name that is not a module's.
fn resolve(from: &str, path: &[String], sources: &BTreeMap<String, Source>) -> Option<(String, String)> {
    let absolute = absolute(from, path, sources)?;
    let split = (1..=absolute.len()).rev().map(|length| absolute.split_at(length));
    let found = split.map(|(module, rest)| (module.join("::"), rest)).find(|(module, _)| sources.contains_key(module));
    let first = || absolute.first().cloned().unwrap_or_default();
    Some(match found {
        Some((module, rest)) => (module, rest.first().cloned().unwrap_or_default()),
        None => match sources.iter().find(|(_, source)| source.exported_macros.contains(&first())) {
            Some((module, _)) => (module.clone(), first()),
            None => (ROOT.to_owned(), first()),
        },
    })
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

/// A path from the crate's root; none if it starts with a name that is not a module's.
fn absolute(from: &str, path: &[String], sources: &BTreeMap<String, Source>) -> Option<Vec<String>> {
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
        child => sources.contains_key(&join(from, child)).then(|| [here(), path.to_vec()].concat()),
    }
}

/// The relevant parts of a module's code.
#[derive(Default)]
struct Source {
    /// Every path in it, in a `use` or in the code.
    paths: Vec<Vec<String>>,
    /// Modules that only tests use.
    test_modules: Vec<String>,
    /// Macros that are called through the crate's root.
    exported_macros: Vec<String>,
    /// The declared messages, each with its literal.
    messages: Vec<(String, String)>,
    /// How often each word occurs.
    words: BTreeMap<String, usize>,
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

    /// Skips an attribute, and the item after it if that is only for tests.
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

    /// Reads a path with everything below it; returns the number of its tokens.
    fn path(&mut self, base: &[String], tokens: &[TokenTree]) -> usize {
        let first = word(tokens.first());
        *self.words.entry(first.clone()).or_default() += 1;
        let mut path = base.to_vec();
        path.push(first);
        let mut length = 1;
        while is_colon(tokens.get(length)) && is_colon(tokens.get(length + 1)) {
            length += 2;
            match tokens.get(length) {
                Some(TokenTree::Ident(ident)) => {
                    *self.words.entry(ident.to_string()).or_default() += 1;
                    path.push(ident.to_string());
                }
                Some(TokenTree::Group(group)) => {
                    let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                    let is_comma =
                        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for branch in branches.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.path(&path, branch);
                    }
                    return length + 1;
                }
                // Type parameters, or a glob.
                _ => break,
            }
            length += 1;
        }
        // The arguments of a macro may contain paths.
        if matches!(tokens.get(length), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
            && let Some(TokenTree::Group(group)) = tokens.get(length + 1)
            && group.delimiter() == Delimiter::Brace
        {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            self.paths.extend(inside.iter().map(|token| vec![word(Some(token))]));
            if path.last().is_some_and(|last| last == "messages") {
                self.messages.extend(inside.windows(3).filter_map(declared));
            }
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

/// `NAME: "literal"`, the beginning of a message's declaration.
fn declared(tokens: &[TokenTree]) -> Option<(String, String)> {
    match tokens {
        [TokenTree::Ident(name), TokenTree::Punct(colon), TokenTree::Literal(text)]
            if colon.as_char() == ':' && *name != "help" =>
        {
            Some((name.to_string(), text.to_string()))
        }
        _ => None,
    }
}

fn word(token: Option<&TokenTree>) -> String {
    if let Some(TokenTree::Ident(ident)) = token { ident.to_string() } else { String::new() }
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}
