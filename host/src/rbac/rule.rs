// SPDX-License-Identifier: Apache-2.0

//! Whether a rule allows a request, as the API server's RBAC authorizer decides it
//! (`plugin/pkg/auth/authorizer/rbac/rbac.go` and `pkg/apis/rbac/v1/evaluation_helpers.go` of
//! <https://github.com/kubernetes/kubernetes>).

use super::object::PolicyRule;

/// Matches every verb, group, resource or URL.
const ALL: &str = "*";

/// What a user wants to do; the attributes of a `SubjectAccessReview`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attributes<'a> {
    /// `get`, `create` ...; for URLs, the HTTP method in lower case.
    pub verb: &'a str,
    /// The resource or URL.
    pub target: Target<'a>,
}

/// The target of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// Objects.
    Resource(Resource<'a>),
    /// A path that is not a resource, such as `/metrics`.
    Url(&'a str),
}

/// The objects of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural, in lower case.
    pub resource: &'a str,
    /// Empty for the resource itself.
    pub subresource: &'a str,
    /// Empty for all objects.
    pub name: &'a str,
    /// `None` for cluster-scoped objects, and for all namespaces at once.
    pub namespace: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// A cluster-wide request for all objects of a resource.
    pub const fn resource(verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        let target = Resource { group, resource, subresource: "", name: "", namespace: None };
        Self { verb, target: Target::Resource(target) }
    }

    /// A request for a path.
    pub const fn url(verb: &'a str, path: &'a str) -> Self {
        Self { verb, target: Target::Url(path) }
    }

    /// The same request within a namespace. Requests for paths do not change.
    #[must_use]
    pub const fn within(mut self, namespace: &'a str) -> Self {
        if let Target::Resource(resource) = &mut self.target {
            resource.namespace = Some(namespace);
        }
        self
    }

    /// The namespace whose `RoleBindings` count.
    pub(super) fn namespace(&self) -> Option<&'a str> {
        match self.target {
            Target::Resource(resource) => resource.namespace.filter(|namespace| !namespace.is_empty()),
            Target::Url(_) => None,
        }
    }
}

impl PolicyRule {
    /// Whether it allows a request, wherever its role is bound.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        let has = |values: &[String], value: &str| values.iter().any(|it| it == ALL || it == value);
        has(&self.verbs, attributes.verb)
            && match attributes.target {
                Target::Url(path) => self.non_resource_urls.iter().any(|url| url_matches(url, path)),
                Target::Resource(it) => {
                    has(&self.api_groups, it.group)
                        && self.resources.iter().any(|resource| resource_matches(resource, &it))
                        && (self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == it.name))
                }
            }
    }

    /// Whether this rule alone allows everything that `other` allows.
    pub fn covers(&self, other: &Self) -> bool {
        let all = |ours: &[String], theirs: &[String]| {
            theirs.iter().all(|value| ours.iter().any(|it| it == ALL || it == value))
        };
        let covers_resource = |theirs: &String| {
            self.resources.iter().any(|ours| {
                ours == ALL
                    || ours == theirs
                    || ours.strip_prefix("*/").is_some_and(|sub| theirs.split_once('/').is_some_and(|it| it.1 == sub))
            })
        };
        let names = self.resource_names.is_empty()
            || (!other.resource_names.is_empty()
                && other.resource_names.iter().all(|name| self.resource_names.contains(name)));
        all(&self.verbs, &other.verbs)
            && all(&self.api_groups, &other.api_groups)
            && other.resources.iter().all(covers_resource)
            && names
            && other.non_resource_urls.iter().all(|url| self.non_resource_urls.iter().any(|it| url_matches(it, url)))
    }
}

/// `pods`, `pods/log`; `*` matches everything, `*/scale` the subresource of every resource.
fn resource_matches(rule: &str, it: &Resource<'_>) -> bool {
    if rule == ALL {
        return true;
    }
    if it.subresource.is_empty() {
        return rule == it.resource;
    }
    match rule.split_once('/') {
        Some((resource, subresource)) if resource == ALL && subresource == it.subresource => true,
        _ => rule.strip_prefix(it.resource).and_then(|rest| rest.strip_prefix('/')) == Some(it.subresource),
    }
}

fn url_matches(rule: &str, path: &str) -> bool {
    rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn rule(rule: Value) -> PolicyRule {
        serde_json::from_value(rule).unwrap()
    }

    #[rstest]
    #[case::exact("/metrics", "/metrics", true)]
    #[case::trailing_slash("/metrics", "/metrics/", false)]
    #[case::prefix("/api/*", "/api/v1", true)]
    #[case::prefix_itself("/api/*", "/api/", true)]
    #[case::not_the_path_above("/api/*", "/api", false)]
    #[case::part_of_a_word("/log*", "/logs/x", true)]
    #[case::all("*", "/anything", true)]
    #[case::several_stars("/a**", "/ab", true)]
    #[case::star_in_the_middle("/a/*/b", "/a/x/b", false)]
    fn path(#[case] url: &str, #[case] path_asked: &str, #[case] expected: bool) {
        assert_eq!(url_matches(url, path_asked), expected);
    }

    #[rstest]
    #[case::same(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}), true)]
    #[case::all(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}), true)]
    #[case::fewer_verbs(json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}), false)]
    #[case::other_group(json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*"]}), false)]
    #[case::names(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}), false)]
    fn covers_a_pod_reader(#[case] ours: Value, #[case] expected: bool) {
        let theirs = rule(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}));
        assert_eq!(rule(ours).covers(&theirs), expected);
    }

    #[test]
    fn covers_subresources_names_and_urls() {
        let ours =
            rule(json!({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"], "resourceNames": ["a", "b"],
            "nonResourceURLs": ["/x/*"]}));
        let theirs = |resource: &str, names: &[&str], urls: &[&str]| {
            rule(json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": [resource], "resourceNames": names,
                "nonResourceURLs": urls}))
        };
        assert!(ours.covers(&theirs("deployments/scale", &["a"], &["/x/y", "/x/*"])));
        assert!(!ours.covers(&theirs("deployments", &["a"], &[])));
        assert!(!ours.covers(&theirs("deployments/scale", &[], &[])));
        assert!(!ours.covers(&theirs("deployments/scale", &["c"], &[])));
        assert!(!ours.covers(&theirs("deployments/scale", &["a"], &["/*"])));
    }
}
