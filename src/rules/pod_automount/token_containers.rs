// SPDX-License-Identifier: Apache-2.0
//! The containers that keep the token when the others lose it.

use crate::matching::glob::{self, Glob, validate_pattern};
use crate::object::pod::{Container, PodSpec};
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

pub(super) static TOKEN_CONTAINERS: Param = Param {
    name: "tokenContainers",
    kind: Kind::Entries(TOKEN_CONTAINER),
    default: "[]",
    doc: Doc::new(
        "containers that keep the token when it is removed from the others; a container must match both `name` and `image` (with its registry)",
    ),
};

static KEEPER_NAME: Param =
    Param { name: "name", kind: Kind::Glob(validate_pattern), default: "", doc: Doc::new("name of the container") };
static KEEPER_IMAGE: Param = Param {
    name: "image",
    kind: Kind::Glob(image_problem),
    default: "",
    doc: Doc::new("image of the container, with its registry"),
};

static TOKEN_CONTAINER: &[&Param] = &[&KEEPER_NAME, &KEEPER_IMAGE];

/// A container that keeps the token.
pub(super) struct TokenContainer<'a> {
    name: Glob<'a>,
    image: Glob<'a>,
}

impl TokenContainer<'_> {
    /// Whether the pattern matches an image. The registry in the pattern
    /// matches only the registry of the image: otherwise, `*.example.com/proxy`
    /// would match images of any registry with the path `x.example.com/proxy`.
    fn is_image(&self, image: &str) -> bool {
        let (Some((registries, paths)), Some((registry, path))) =
            (self.image.as_str().split_once('/'), image.split_once('/'))
        else {
            return false;
        };
        glob::matches(registries, registry) && glob::matches(paths, path)
    }
}

impl<'a> TokenContainer<'a> {
    #[inline(never)]
    pub(super) fn read(params: &mut Params<'_, 'a>) -> Vec<Self> {
        params.entries(&TOKEN_CONTAINERS, |entry| {
            let (name, image) = (entry.glob(&KEEPER_NAME), entry.glob(&KEEPER_IMAGE));
            Some(TokenContainer { name: name?, image: image? })
        })
    }
}

/// Whether a container keeps the token. It does not if other containers can see its files.
pub(super) fn keeps(keepers: &[TokenContainer<'_>], spec: &PodSpec<'_>, container: &Container<'_>) -> bool {
    !spec.shares_processes()
        && keepers.iter().any(|keeper| {
            keeper.name.matches(container.name.as_deref().unwrap_or_default())
                && keeper.is_image(&with_registry(container.image.as_deref().unwrap_or_default()))
        })
}

/// An image reference with the registry that a container runtime would add.
/// <https://github.com/distribution/reference/blob/main/normalize.go>
fn with_registry(image: &str) -> String {
    match image.split_once('/') {
        Some((first, _)) if is_registry(first) => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase)
}

fn image_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        let registry = pattern.split_once('/').map_or("", |(first, _)| first);
        (!is_registry(registry) || registry.starts_with('*') && !registry.contains('.'))
            .then(|| "must begin with a registry, e.g. docker.io/kumahq/kuma-dp:*; else anyone's image of that name would keep the token".to_owned())
    })
}
