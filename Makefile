# Targets have the names that Kubewarden's policies and their release jobs use. `make help` lists them.

WASM_TARGET := wasm32-wasip1
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
RUN := $(TARGET_DIR)/debug/sa-hygiene

# As `make test` builds: without the tests' own dependencies others would get other features, and the whole host would be
# built a second time.
BUILD := cargo test --workspace --locked --no-run --quiet

# The same random cases every time; a nightly run may set another seed.
PROPTEST_RNG_SEED ?= 20251121
export PROPTEST_RNG_SEED

# A target that fails half-way leaves no file that looks finished.
.DELETE_ON_ERROR:

.PHONY: help
help:
	@sed -n 's/^\([a-z0-9.-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-28s %s\n' "$$name" "$$text"; done

policy.wasm: $(SOURCES) | toolchain  ## the policy
	cargo build --release --locked --lib --package serviceaccount-hygiene --target $(WASM_TARGET)
	cp $(TARGET_DIR)/$(WASM_TARGET)/release/serviceaccount_hygiene.wasm $@

ifneq ($(filter annotated-policy.wasm,$(MAKECMDGOALS)),)
ifeq ($(shell command -v kwctl),)
$(error annotated-policy.wasm needs kwctl; see https://docs.kubewarden.io for how to install it)
endif
endif

annotated-policy.wasm: policy.wasm metadata.yml README.md  ## the policy with its metadata, ready to push (kwctl)
	kwctl annotate --metadata-path metadata.yml --usage-path README.md --output-path $@ policy.wasm

.PHONY: fmt
fmt: toolchain  ## check the formatting
	cargo fmt --all -- --check

.PHONY: lint
lint: toolchain  ## clippy, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: test
test: fmt lint  ## formatting, lints, unit tests, and every case on the compiled wasm
	cargo test --workspace --locked --no-fail-fast

# As many objects as one night has time for; a failure prints its seed.
ROUNDS ?= 20

.PHONY: laws
laws: toolchain  ## the laws on other made-up objects than in make test: make laws PROPTEST_RNG_SEED=1 ROUNDS=20
	@for round in $$(seq $(ROUNDS)); do \
		seed=$$(($(PROPTEST_RNG_SEED) + round)); \
		echo "seed $$seed"; \
		PROPTEST_RNG_SEED=$$seed cargo test --locked --quiet --package serviceaccount-hygiene --test laws --test views || exit 1; \
		PROPTEST_RNG_SEED=$$seed cargo test --locked --quiet --package e2e-tests --test e2e -- law:: || exit 1; \
	done

# Without kwctl, bats or jq: 3 from the script, which make turns into its own 2; never 0.
.PHONY: e2e-tests
e2e-tests: toolchain  ## the annotated policy under kwctl: every case and example (kwctl, bats, jq)
	e2e-tests/kwctl.sh

# On a real control plane. Without its binaries: 3 from the program, which make turns into its own 2; never 0. Built as `make test`
# builds, with TLS and an HTTP client besides.
CLUSTER := $(TARGET_DIR)/debug/cluster
CLUSTER_BUILD := $(BUILD) --features e2e-tests/cluster
CLUSTER_MEASURE := cargo run --profile measure --locked --package e2e-tests --features cluster --bin cluster --

.PHONY: cluster-test
cluster-test: toolchain  ## every case and example on a real API server (KUBEBUILDER_ASSETS, POLICY_SERVER)
	@$(CLUSTER_BUILD)
	@$(CLUSTER) test

.PHONY: cluster-bench
cluster-bench: toolchain  ## time of creating a Pod on a real API server, and what a policy server answers
	$(CLUSTER_MEASURE) bench

.PHONY: cluster-load
cluster-load: toolchain  ## 20,000 Pods by 16 clients on a real API server: nothing refused, memory flat
	$(CLUSTER_MEASURE) load

.PHONY: cluster-lint
cluster-lint: toolchain  ## clippy and unit tests of the programs above, which make test does not build
	cargo clippy --package e2e-tests --all-targets --features cluster --locked -- -D warnings
	cargo test --package e2e-tests --lib --features cluster --locked

AUDIT_EXAMPLE := $(RUN) audit examples/audit/cluster.json --audit-log examples/audit/audit.log
AUDIT_REPORT := $(abspath $(TARGET_DIR))/audit-report.html
.PHONY: demo
demo: toolchain  ## what the policy does to a small cluster
	@echo 'serviceaccount-hygiene: builds the policy to WebAssembly and lets it check the workloads in examples/demo,'
	@echo 'on this machine alone: no cluster, no container.'
	@test -x $(RUN) || echo 'The first build takes about 5 minutes on 2 cores; afterwards it is a matter of seconds.'
	@$(BUILD)
	@echo
	@echo '--- One Pod, before and after: the token for the Kubernetes API goes, its token for Vault stays'
	@echo
	@$(RUN) run examples/demo/workloads/07-vault-token.yaml --cluster examples/demo/cluster
	@echo '--- A Pod with an AWS role, on a cluster without the EKS webhook: what the SDK needs comes'
	@echo
	@$(RUN) run examples/demo/irsa/pod.yaml --cluster examples/demo/irsa/accounts.yaml --settings examples/demo/irsa/settings.yaml
	@echo '--- All of examples/demo/workloads, with the default settings'
	@echo
	@$(RUN) run --summary examples/demo/workloads --cluster examples/demo/cluster || test $$? -eq 1
	@echo
	@echo 'Every finding and every change in full:'
	@echo '  $(RUN) run examples/demo/workloads --cluster examples/demo/cluster'
	@echo
	@echo '--- Before a roll-out: which tokens of a cluster are there, and which were used (sa-hygiene audit)'
	@echo
	@$(AUDIT_EXAMPLE)
	@$(AUDIT_EXAMPLE) -o html >$(AUDIT_REPORT)
	@echo
	@echo 'The same as a page for browsers: $(AUDIT_REPORT)'

# The page of `sa-hygiene audit -o html`. PICTURES=docs/pictures takes those of the documentation, too.
BROWSER := $(TARGET_DIR)/browser
PICTURES ?=
.PHONY: browser-test
browser-test: toolchain  ## the HTML report in Chromium (node, npm, CHROMIUM or /usr/bin/chromium)
	@$(BUILD)
	@mkdir -p $(BROWSER)
	@cp host/tests/browser/package.json host/tests/browser/report.mjs $(BROWSER)
	@npm install --prefix $(BROWSER) --no-audit --no-fund --no-package-lock --silent
	@$(AUDIT_EXAMPLE) -o html >$(BROWSER)/report.html
	@$(RUN) audit host/tests/browser/hostile.json -o html >$(BROWSER)/hostile.html
	@node $(BROWSER)/report.mjs $(BROWSER)/report.html $(BROWSER)/hostile.html $(PICTURES)

.PHONY: corpus
corpus: toolchain  ## the policy over captured requests: make corpus DIR=...
	@test -n '$(DIR)' || { echo 'corpus: say which folder, as in: make corpus DIR=path/to/requests' >&2; exit 2; }
	@$(BUILD)
	@$(RUN) corpus '$(DIR)'

.PHONY: manifests
manifests: toolchain  ## check, strict and --fix over projects that others wrote: make manifests DIR=...
	@test -n '$(DIR)' || { echo 'manifests: say which folder, as in: make manifests DIR=path/to/projects' >&2; exit 2; }
	@$(BUILD)
	@$(RUN) manifests '$(DIR)' --strict examples/settings/strict.yaml --expected host/expected-refusals.yaml

.PHONY: bench
bench: toolchain  ## time per request, against a policy that accepts unread
	cargo build --release --locked --package accept-unread --target $(WASM_TARGET) --target-dir $(TARGET_DIR)/bench
	cargo run --profile measure --locked --package sa-hygiene -- bench \
		--baseline $(TARGET_DIR)/bench/$(WASM_TARGET)/release/accept_unread.wasm

# Built twice: the first program writes the policy's machine code, which the second has built in.
.PHONY: dist
dist: toolchain  ## the command as it is released: TARGET_DIR/dist/sa-hygiene
	SA_HYGIENE_COMPILED= cargo build --profile dist --locked --package sa-hygiene
	$(TARGET_DIR)/dist/sa-hygiene precompile $(TARGET_DIR)/dist/policy.cwasm
	SA_HYGIENE_COMPILED=$(abspath $(TARGET_DIR))/dist/policy.cwasm cargo build --profile dist --locked --package sa-hygiene

.PHONY: speed
speed: dist  ## how long `sa-hygiene check` takes for large inputs, and how much memory
	$(TARGET_DIR)/dist/sa-hygiene speed

.PHONY: audit-speed
audit-speed: dist  ## how long `sa-hygiene audit` takes for 10,000 Pods and for a log of 1 GB, and how much memory
	$(TARGET_DIR)/dist/sa-hygiene audit-speed

.PHONY: load
load: toolchain  ## 32 threads with 10,000 requests each: answers as a single thread gets them, nothing left behind
	cargo run --profile measure --locked --package sa-hygiene -- load

# Seeds are the cases' own requests; what is found stays in fuzz/artifacts.
FUZZ_TARGETS := payload settings role_arn fix_round_trip
SECONDS ?= 60
.PHONY: fuzz
fuzz: toolchain  ## fuzz each target: make fuzz SECONDS=60 (needs a nightly compiler)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cargo run --quiet --locked --package e2e-tests --bin seeds -- fuzz/corpus
	for target in $(FUZZ_TARGETS); do \
		cargo +nightly fuzz run $$target -- -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 || exit 1; \
	done

# Takes hours for all of src; one directory takes minutes. What is missed is in mutants.out.
MODULE ?= matching
.PHONY: mutants
mutants: toolchain  ## mutations of a directory of src, and whether the unit tests notice: make mutants MODULE=engine (cargo-mutants)
	@command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
	cargo mutants --package serviceaccount-hygiene --file 'src/$(MODULE)/**/*.rs'

.PHONY: audit
audit: toolchain  ## licences and sources of dependencies, and our YAML against its schemas (cargo-deny, check-jsonschema)
	.ci/audit

.PHONY: bless
bless: toolchain  ## rewrite what cases expect and the generated parts of the documentation; look at `git diff`
	BLESS=1 cargo test --locked --workspace --test e2e --test cli

.PHONY: clean
clean:  ## remove what was built
	cargo clean
	rm -f policy.wasm annotated-policy.wasm

# Adds what the default installation of Rust lacks.
.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { echo 'Rust is not installed; see https://rustup.rs' >&2; exit 1; }
	@test -d "$$(rustc --print target-libdir --target $(WASM_TARGET))" || { \
		command -v rustup >/dev/null || { \
			echo 'the Rust target $(WASM_TARGET) is not installed, and there is no rustup to add it' >&2; exit 1; }; \
		rustup target add $(WASM_TARGET); \
	}
