// SPDX-License-Identifier: Apache-2.0

//! The limits in `bench/budgets.toml`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What the policy may cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budgets {
    /// The module itself.
    pub module: ModuleBudget,
    /// Maximum median time by benchmark subject, as a ratio to a policy that accepts requests without reading them.
    pub ratio: BTreeMap<String, f64>,
    /// What long settings may cost.
    pub settings: SettingsBudget,
}

/// Limits of the module.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModuleBudget {
    /// Its maximum size.
    pub max_bytes: usize,
}

/// Limits of long settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingsBudget {
    /// Maximum ratio to the time with `{}` for the same request.
    pub max_ratio: f64,
}

impl Budgets {
    /// The limits of this source tree.
    pub fn embedded() -> Result<Self> {
        toml::from_str(include_str!("../../../bench/budgets.toml")).context("budgets.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_existing_subjects() {
        let budgets = Budgets::embedded().unwrap();
        let subjects: Vec<_> = crate::subjects::subjects().unwrap().into_iter().map(|subject| subject.name).collect();
        for name in budgets.ratio.keys() {
            assert!(subjects.contains(&name.as_str()), "budgets.toml: no subject `{name}`");
        }
    }
}
