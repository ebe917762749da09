# What one does with this repository. `make` alone lists it.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Where the tests find the published libraries that verify what Postrider signs.
export POSTRIDER_TEST_PYTHON := $(TARGET)/venv/bin/python
export POSTRIDER_TEST_NODE_DIR := $(CURDIR)/tests/receivers

.DEFAULT_GOAL := help
.PHONY: help run test check bench setup clean config.default.toml

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The development build is there soonest, and its dependencies are optimised: quick enough to try
# things out. The release build is for measuring and for work: `cargo build --release`.
run: ## Builds and starts a server to try things out, with an inbox to send to
	cargo run -- serve --dev

# The runner's summary comes last.
test: setup check ## Installs what is missing, then runs the gate and all tests
	@if cargo nextest --version >/dev/null 2>&1; then \
		scripts/with-servers cargo nextest run --workspace --locked; \
	else \
		scripts/with-servers cargo test --workspace --all-targets --no-fail-fast --locked; \
	fi

check: ## Runs the gate: formatting, clippy, generated files
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@cargo run --quiet --locked -- config --defaults | diff -u config.default.toml - \
		|| { echo "config.default.toml is not current: run 'make config.default.toml'"; exit 1; }

# ARGS="--seconds 2" and the like: see `target/release/bench --help`.
bench: ## Measures throughput and latency on this machine, in the release build
	cargo build --release --locked -p postrider -p bench
	$(TARGET)/release/bench $(ARGS)

setup: ## Installs what the tests need and this machine lacks
	@scripts/setup

config.default.toml: ## Writes the settings and their documentation anew
	cargo run --quiet -- config --defaults > $(TARGET)/config.default.toml
	mv $(TARGET)/config.default.toml $@

clean: ## Removes everything that was built or installed here
	cargo clean
	rm -rf tests/receivers/node_modules
