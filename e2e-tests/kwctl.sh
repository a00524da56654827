#!/usr/bin/env bash
# The annotated policy under kwctl: the package, every case, every example. For `make e2e-tests`.
#
# Ends with 3 where a tool is missing, so that nobody takes it for a pass. (make makes 2 of that.)
# KWCTL_FILTER: a regular expression for the names of the tests, to run some of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in kwctl bats jq; do
    if ! command -v "$tool" >/dev/null; then
        echo "e2e-tests: $tool is not installed. \`make test\` runs the same wasm in an embedded host, without it." >&2
        exit 3
    fi
done

make annotated-policy.wasm
cargo build --locked --package e2e-tests --bin cases
target=${CARGO_TARGET_DIR:-target}
[[ $target = /* ]] || target=$PWD/$target
export CASES_BIN=$target/debug/cases
export KWCTL_CASES=$target/kwctl
rm -rf "$KWCTL_CASES"
"$CASES_BIN" prepare annotated-policy.wasm "$KWCTL_CASES"
kwctl --version
bats --jobs "${KWCTL_JOBS:-1}" ${KWCTL_FILTER:+--filter "$KWCTL_FILTER"} e2e.bats "$KWCTL_CASES/cases.bats"
