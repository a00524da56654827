// SPDX-License-Identifier: Apache-2.0

//! Bindings as evidence.

use super::*;
use crate::check::finding::Token;
use crate::check::input::InputOptions;

/// A Deployment that runs as `default`, and a binding that names this account.
fn bound() -> String {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n        - name: web\n          image: x\n";
    format!("{deployment}---\n{BINDING}")
}

const BINDING: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: web, namespace: shop}\nroleRef: {kind: Role, name: not-here}\nsubjects:\n  - {kind: ServiceAccount, name: default}\n";

/// The findings about the token, without the field path.
fn of_token(report: &Report) -> Vec<(Level, Option<Token>, String)> {
    let findings = report.findings().filter(|it| it.rule.ends_with("automount"));
    findings.map(|it| (it.level, it.token, it.text())).collect()
}

#[test]
fn bound_account_keeps_token() {
    let kept = "would keep the token: account `default` is bound by RoleBinding shop/web to Role shop/not-here; use a dedicated account, and set it to true".to_owned();
    let report = checked(&bound(), options(json!({})));
    assert_eq!(of_token(&report), [(Level::Warned, Some(Token::Needed), kept.clone())]);
    let row = report.summary.by_rule[&("pod-automount".to_owned(), "shop".to_owned())];
    assert_eq!((row.warned, row.fixed, row.unused, row.needed, row.unknown), (1, 0, 0, 1, 0));
    // Regardless of `keepIfAllowed` in the settings.
    let own = json!({"rules": {"pod-automount": {"keepIfAllowed": [{"verb": "delete", "resource": "nodes"}]}}});
    assert_eq!(of_token(&checked(&bound(), options(own))), [(Level::Warned, Some(Token::Needed), kept.clone())]);

    let alone = bound().replace("name: default", "name: other");
    let gone = "set to false, no binding in the input".to_owned();
    assert_eq!(of_token(&checked(&alone, options(json!({})))), [(Level::PodsFixed, Some(Token::Unused), gone)]);
    let refused = json!({"phase": "validating", "templates": "check", "rules": {"pod-automount": "reject"}});
    let said = checked(POD, options(refused));
    let [(level, token, text)] = &of_token(&said)[..] else { panic!("{:?}", of_token(&said)) };
    assert_eq!((*level, *token), (Level::Rejected, Some(Token::Unused)));
    assert!(text.contains("is mounted, no binding in the input; set it to false"), "{text}");
}

#[test]
fn bindings_of_the_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rbac.yaml");
    std::fs::write(&file, BINDING).unwrap();
    let with_cluster = |text: &str| {
        let report = checked(text, Options { cluster: vec![file.clone()], ..options(json!({})) });
        of_token(&report).iter().map(|(level, _, text)| (*level, text.clone())).collect::<Vec<_>>()
    };
    assert!(
        with_cluster(POD)[0].1.starts_with("would keep the token: account `default` is bound by RoleBinding shop/web")
    );
    assert_eq!(
        with_cluster(&POD.replace("namespace: shop", "namespace: other")),
        [(Level::Fixed, "set to false, the token volume removed, no binding".to_owned())]
    );
}

/// A bound account keeps its token even if the settings remove every token.
#[test]
fn keeps_token_of_bound_account() {
    let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: default\n  namespace: shop\n";
    for settings in [
        json!({}),
        json!({"rules": {"pod-automount": {"keepIfAllowed": []}, "default-service-account": "off"}}),
        json!({"profile": "restricted", "rules": {"default-service-account": "off"}}),
    ] {
        let text = format!("{POD}{account}---\n{BINDING}");
        assert_eq!(fixed_file(&text, &settings), None, "{settings}");
        let fixed = fixed_file(&text.replace("name: default}", "name: other}"), &settings).unwrap();
        assert_eq!(fixed.matches("automountServiceAccountToken: false").count(), 2, "{settings} {fixed}");
    }
    let report = checked(&format!("{account}---\n{BINDING}"), options(json!({})));
    assert_eq!(
        of_token(&report),
        [(
            Level::Warned,
            Some(Token::Needed),
            "the cluster would set it to false, although account `default` is bound by RoleBinding shop/web to Role shop/not-here; set it here".to_owned()
        )]
    );
}

/// The fixed text, if the file changes.
fn fixed_file(text: &str, settings: &Value) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.yaml");
    std::fs::write(&file, text).unwrap();
    let inputs = Inputs::find([file], &InputOptions::default());
    let mut after = None;
    fix::plan(&inputs, &evaluator_of(&inputs, options(settings.clone())), false, |fixes| {
        after = fixes.fixed.map(|it| it.after);
        Ok(())
    })
    .unwrap();
    after
}
