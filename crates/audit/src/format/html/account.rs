// SPDX-License-Identifier: Apache-2.0

//! The section of an account, with its evidence.

use super::markup::{Html, class};
use crate::build::number;
use crate::report::{Account, Calls, Workload};

/// The ID of an account's section within the page.
pub(super) fn anchor(namespace: &str, name: &str) -> String {
    format!("account/{namespace}/{name}")
}

pub(super) fn section(html: &mut Html, namespace: &str, account: &Account) {
    html.raw("<details id=\"").text(&anchor(namespace, &account.name)).raw("\"><summary><strong>");
    html.text(&format!("{namespace}/{}", account.name))
        .raw(&format!("</strong> <span class=\"tag {}\">", class(account.recommendation)));
    html.raw(account.recommendation.word()).raw("</span></summary>\n<dl>\n");
    html.entry("Why", std::slice::from_ref(&account.reason));
    if account.exists == Some(false) {
        html.entry("Account", &["does not exist".to_owned()]);
    }
    let automount = account.automount.map(|it| format!("automountServiceAccountToken: {it}"));
    html.entry("Account setting", automount.as_slice());
    let identities: Vec<String> =
        account.identities.iter().map(|it| format!("{}: {}", it.annotation, it.value)).collect();
    html.entry("Cloud identity", &identities);
    let bindings: Vec<String> = account
        .bindings
        .iter()
        .map(|it| {
            let namespace = it.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let group = it.group.as_ref().map(|group| format!(", by the group {group}")).unwrap_or_default();
            format!("{} {namespace}{} grants {}{group}", it.kind, it.name, it.role)
        })
        .collect();
    let nothing = if account.bindings_known { "none" } else { "not read" };
    html.entry("Bindings", if bindings.is_empty() { vec![nothing.to_owned()] } else { bindings }.as_slice());
    html.entry("Permissions", &account.permissions.summary);
    let legacy: Vec<String> = account
        .legacy_tokens
        .iter()
        .map(|it| {
            let name = if it.secret.is_empty() { "not named by the log" } else { &it.secret };
            let calls = it.calls.map(|calls| format!(", {} calls", number(calls))).unwrap_or_default();
            let used = it.last_used.as_ref().map(|day| format!(", last used {day}")).unwrap_or_default();
            let invalid = it.invalid_since.as_ref().map(|day| format!(", invalid since {day}")).unwrap_or_default();
            format!("{name}{calls}{used}{invalid}")
        })
        .collect();
    html.entry("Tokens that never expire", &legacy);
    if let Some(it) = &account.unassigned {
        let parts = [
            (it.by_pods_that_are_gone, "by Pods that no longer exist"),
            (it.without_pod, "without the name of a Pod"),
            (it.with_legacy_tokens, "with tokens that never expire"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", number(*count)))
            .collect();
        html.entry("Calls not assigned to a workload", &parts);
    }
    html.raw("</dl>\n");
    if let Some(calls) = account.calls.as_ref().filter(|it| it.calls > 0) {
        actions(html, calls);
    }
    account.workloads.iter().for_each(|it| workload(html, it));
    html.raw("</details>\n");
}

fn workload(html: &mut Html, workload: &Workload) {
    html.raw("<h3>").text(&format!("{} {}", workload.kind, workload.name));
    html.raw(&format!(
        " <span class=\"tag {}\">{}</span></h3>\n<dl>\n",
        class(workload.recommendation),
        workload.recommendation.word()
    ));
    html.entry("Why", std::slice::from_ref(&workload.reason));
    html.entry("Pods", &[workload.pods.to_string()]);
    let none = ["none".to_owned()];
    html.entry("Token", if workload.token.why.is_empty() { &none } else { &workload.token.why });
    if let Some(calls) = workload.calls.as_ref().filter(|it| it.calls > 0) {
        html.entry("Calls", &[format!("{}, {} denied", number(calls.calls), number(calls.denied))]);
        html.entry("Calling Pods", &calls.pod_names);
    }
    html.raw("</dl>\n");
}

fn actions(html: &mut Html, calls: &Calls) {
    html.raw("<table><caption>Calls</caption><thead><tr><th scope=\"col\">Verbs</th><th scope=\"col\">Resource</th>");
    html.raw(
        "<th scope=\"col\">Scope</th><th scope=\"col\">Calls</th><th scope=\"col\">Denied</th></tr></thead><tbody>\n",
    );
    for action in &calls.actions {
        html.raw("<tr><td>").text(&action.verbs.join(", ")).raw("</td><td>").text(&action.resource);
        html.raw("</td><td>").raw(action.scope).raw("</td><td class=\"number\">").raw(&number(action.calls));
        html.raw("</td><td class=\"number\">").raw(&number(action.denied)).raw("</td></tr>\n");
    }
    html.raw("</tbody></table>\n");
}
