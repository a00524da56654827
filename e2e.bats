#!/usr/bin/env bats
# The package under kwctl: what `kwctl annotate`, `inspect`, `scaffold` and `push` make of it. What the policy decides is in
# e2e-tests/cases; e2e-tests/kwctl.sh runs those cases and the examples through `kwctl run`, one test each, and sets
# KWCTL_CASES.

bats_require_minimum_version 1.5.0

metadata() {
    kwctl inspect --output yaml annotated-policy.wasm
}

@test "the module carries the metadata, and README as its usage" {
    run --separate-stderr metadata
    [ "$status" -eq 0 ]
    [[ "$output" == *'io.kubewarden.policy.title: serviceaccount-hygiene'* ]]
    [[ "$output" == *'io.kubewarden.policy.usage: |'* ]]
    [[ "$output" == *'## Settings'* ]]
    [[ "$output" == *'kubernetes/get_resource'* ]]
}

@test "artifacthub-pkg.yml is what kwctl makes, but for the time" {
    made() { kwctl scaffold artifacthub --metadata-path metadata.yml --questions-path questions-ui.yml; }
    comparable() { sed 's/[[:space:]]*$//; /^createdAt: /d'; }
    # In quotes, so that empty lines at the end do not count.
    diff <(echo "$(made | comparable)") <(echo "$(comparable <artifacthub-pkg.yml)")
}

@test "a manifest is made of the module alone, with the rules of metadata.yml" {
    run --separate-stderr kwctl scaffold manifest --type ClusterAdmissionPolicy --allow-context-aware annotated-policy.wasm
    [ "$status" -eq 0 ]
    [[ "$output" == *'kind: ClusterAdmissionPolicy'* ]]
    [[ "$output" == *'mutating: true'* ]]
    [[ "$output" == *'- statefulsets'* ]]
    [[ "$output" == *'kind: ServiceAccount'* ]]
}

@test "settings with mistakes are refused, each with its path" {
    run --separate-stderr kwctl run --request-path "$KWCTL_CASES/requests/forms/audit/request.json" \
        --settings-json '{"phse": "validating", "rules": {"pod-automont": "warn"}}' annotated-policy.wasm
    [ "$status" -ne 0 ]
    [[ "$stderr" == *'did you mean `phase`?'* ]]
    [[ "$stderr" == *'did you mean `pod-automount`?'* ]]
}
