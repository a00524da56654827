// SPDX-License-Identifier: Apache-2.0

//! Compares with `pkg/apis/core/validation/validation_test.go`.

use serde_json::{Value, json};

use super::*;

#[test]
fn accepts_admitted_pods() {
    assert_eq!(server().validate(&bare()), Ok(()));
}

#[test]
fn rejects() {
    let label_rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                      with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                      '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    let mounts = |mounts: Value| json!({"volumes": [{"name": "a", "emptyDir": {}}], "containers": [{"name": "web", "image": "web", "volumeMounts": mounts}]});
    let token =
        |token: Value| json!({"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": token}]}}]});
    let certificate = |certificate: Value| json!({"volumes": [{"name": "c", "projected": {"sources": [{"podCertificate": certificate}]}}]});
    let from_files = ["e", "c", "gone"].map(
        |volume| json!({"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": volume, "path": "env", "key": "A"}}}),
    );
    let env = |env: Value| json!({"containers": [{"name": "web", "image": "web", "env": env}]});
    let cases = [
        (json!({"containers": []}), vec!["spec.containers: Required value".to_owned()]),
        (json!({"containers": [{"image": "web"}]}), vec!["spec.containers[0].name: Required value".to_owned()]),
        (json!({"containers": [{"name": "Web", "image": "web"}]}), vec![format!("spec.containers[0].name: Invalid value: \"Web\": {label_rule}")]),
        (json!({"initContainers": [{"name": "web", "image": "init"}]}), vec!["spec.initContainers[0].name: Duplicate value: \"web\"".to_owned()]),
        (json!({"containers": [{"name": "web"}]}), vec!["spec.containers[0].image: Required value".to_owned()]),
        (json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}), vec!["spec.volumes[1].name: Duplicate value: \"a\"".to_owned()]),
        (json!({"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}}]}), vec!["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type".to_owned()]),
        (mounts(json!([{"name": "b", "mountPath": "/b"}])), vec!["spec.containers[0].volumeMounts[0].name: Not found: \"b\"".to_owned()]),
        (
            mounts(json!([{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a"}])),
            vec!["spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique".to_owned()],
        ),
        (mounts(json!([{"name": "a"}])), vec!["spec.containers[0].volumeMounts[0].mountPath: Required value".to_owned()]),
        (token(json!({"path": "t", "expirationSeconds": 599})), vec!["spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes".to_owned()]),
        (
            token(json!({"path": "/t", "expirationSeconds": 4_294_967_297_u64})),
            vec![
                "spec.volumes[0].projected.path: Invalid value: \"/t\": must be a relative path".to_owned(),
                "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds".to_owned(),
            ],
        ),
        (env(json!([{"value": "x"}])), vec!["spec.containers[0].env[0].name: Required value".to_owned()]),
        (
            env(json!([{"name": "A=B"}])),
            vec!["spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()],
        ),
        (
            env(json!([{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])),
            vec!["spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty".to_owned()],
        ),
        (
            env(json!([{"name": "A", "valueFrom": {"fieldRef": {}, "secretKeyRef": {}}}, {"name": "B", "valueFrom": {}}])),
            vec![
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not have more than one field specified at a time".to_owned(),
                "spec.containers[0].env[1].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`".to_owned(),
            ],
        ),
        (
            json!({
                "volumes": [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}],
                "containers": [{"name": "web", "image": "web", "env": from_files}],
            }),
            vec![
                "spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName: Invalid value: \"c\": referenced volume must be of type emptyDir".to_owned(),
                "spec.containers[0].env[2].valueFrom.fileKeyRef.volumeName: Not found: \"gone\"".to_owned(),
            ],
        ),
        (
            json!({"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}, "secret": {}}]}}]}),
            vec!["spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source".to_owned()],
        ),
        (
            certificate(json!({"signerName": "kubernetes.io/kube-apiserver-client-pod", "maxExpirationSeconds": 86_401, "keyPath": "k"})),
            vec![
                "spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: \"\": supported values: \"RSA3072\", \"RSA4096\", \"ECDSAP256\", \"ECDSAP384\", \"ECDSAP521\", \"ED25519\"".to_owned(),
                "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400".to_owned(),
            ],
        ),
        (
            certificate(json!({"signerName": "example.com/s", "keyType": "ED25519", "maxExpirationSeconds": 3599})),
            vec![
                "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 3599: if provided, maxExpirationSeconds must be >= 3600".to_owned(),
                "spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath".to_owned(),
            ],
        ),
        (json!({"ephemeralContainers": [{"name": "debug", "image": "debug"}]}), vec!["spec.ephemeralContainers: Forbidden: cannot be set on create".to_owned()]),
        (json!({"volumes": "none"}), vec!["spec.volumes: must be a list, is a string".to_owned()]),
    ];
    for (spec, errors) in cases {
        assert_eq!(server().validate(&pod(&spec)), Err(errors), "{spec}");
    }
    let nameless =
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "web", "image": "web"}]}});
    assert_eq!(
        server().validate(&nameless),
        Err(vec!["metadata.name: Required value: name or generateName is required".to_owned()])
    );
}

#[test]
fn validates_templates_at_their_path() {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {}}}});
    assert_eq!(server().validate(&object), Err(vec!["spec.template.spec.containers: Required value".to_owned()]));
}
