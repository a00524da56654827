// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::report::{Account, Cluster, Level, Permissions, Summary, VERSION};

fn report(name: &str) -> Report {
    let account = Account {
        name: name.to_owned(),
        exists: Some(true),
        automount: None,
        identities: Vec::new(),
        recommendation: Recommendation::Narrow,
        reason: name.to_owned(),
        bindings: Vec::new(),
        bindings_known: true,
        permissions: Permissions { level: Level::Read, summary: vec![name.to_owned()] },
        legacy_tokens: Vec::new(),
        calls: None,
        unassigned: None,
        workloads: Vec::new(),
    };
    Report {
        version: VERSION,
        cluster: Cluster::default(),
        log: None,
        summary: Summary::default(),
        namespaces: vec![Namespace { name: name.to_owned(), accounts: vec![account] }],
        roles: std::collections::BTreeMap::new(),
    }
}

#[test]
fn escapes_names() {
    let name = "</script><img src=x onerror=alert(1)>\"'&\u{202e}";
    let page = render(&report(name));
    assert!(!page.contains("<img"), "{page}");
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\\u{202e}"));
    assert_eq!(page.matches("</script>").count(), 1);
}

#[test]
fn loads_nothing() {
    let page = render(&report("web"));
    for outside in ["http://", "https://", "src=", "url(", "@import", "fetch(", "style=\""] {
        assert!(!page.contains(outside), "{outside}");
    }
}
