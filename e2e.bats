#!/usr/bin/env bats
# The annotated policy under kwctl: that the package works. What the policy decides is tested by `make test`.

cases=e2e-tests/cases/core

# review REQUEST [ARGUMENT...]: the answer is in $output, the exit code in $status.
review() {
    local request=$1
    shift
    run --separate-stderr kwctl run --request-path "$request" "$@" annotated-policy.wasm
    echo "$output"
    echo "$stderr"
}

# has FILTER: whether jq finds this true of the answer.
has() {
    jq --exit-status "$1" <<<"$output"
}

@test "a workload that asks for the token of default is refused, with a message" {
    review "$cases/admission-review/request.json"
    [ "$status" -eq 0 ]
    has '.allowed == false and .status.code == 403'
    has '.status.message | startswith("serviceaccount-hygiene: 2 problems\n- default-service-account: ")'
}

@test "a Pod that nobody asked a token for is fixed by a patch" {
    review "$cases/audit-request/request.json"
    [ "$status" -eq 0 ]
    has '.allowed == true'
    has '.patch | @base64d | fromjson | any(.op == "add" and .path == "/spec/automountServiceAccountToken" and .value == false)'
}

@test "the same Pod is refused where the policy only judges" {
    review "$cases/audit-request/request.json" --settings-json '{"phase": "validating"}'
    [ "$status" -eq 0 ]
    has '.allowed == false and .patch == null'
}

@test "an exemption lets it pass unchanged" {
    review "$cases/audit-request/request.json" --settings-json '{"exemptions": [{"namespaces": ["shop"]}]}'
    [ "$status" -eq 0 ]
    has '.allowed == true and .patch == null'
}

@test "settings with mistakes are refused, each with its path" {
    review "$cases/audit-request/request.json" --settings-json '{"phse": "validating", "rules": {"pod-automont": "warn"}}'
    [ "$status" -ne 0 ]
    [[ "$output$stderr" == *"did you mean phase?"* ]]
    [[ "$output$stderr" == *"did you mean pod-automount?"* ]]
}
