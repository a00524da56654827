# Helpers of the tests that run the cases through kwctl. KWCTL_CASES is where `kwctl-cases prepare` wrote them, and
# KWCTL_CASES_BIN that program.

# run_case CASE: runs a case, and compares the answer with what the case expects.
run_case() {
    local dir=$KWCTL_CASES/$1 arguments status=0
    mapfile -t arguments <"$dir/arguments"
    # A stack trace would stand behind the message.
    RUST_BACKTRACE=0 kwctl run "${arguments[@]}" >"$dir/stdout" 2>"$dir/stderr" </dev/null || status=$?
    echo "$status" >"$dir/status"
    "$KWCTL_CASES_BIN" compare "$dir"
}
