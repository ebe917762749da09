# What one does with this repository. `make` alone lists it.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Where the tests find the published libraries that verify what Postrider signs.
export POSTRIDER_TEST_PYTHON := $(TARGET)/venv/bin/python
export POSTRIDER_TEST_NODE_DIR := $(CURDIR)/tests/receivers
# The programs that look at the dashboard with a browser.
export POSTRIDER_TEST_BROWSER_DIR := $(CURDIR)/tests/browser
# And the program of Prometheus that reads its rules.
export POSTRIDER_TEST_PROMTOOL := $(or $(shell command -v promtool 2>/dev/null),$(TARGET)/tools/bin/promtool)

.DEFAULT_GOAL := help
.PHONY: help build dashboard run test check contract bench faults power release setup clean config.default.toml openapi.json screenshots

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The development build is there soonest, and its dependencies are optimised: quick enough to try
# things out. The release build is for measuring and for work: `cargo build --release`. Cargo takes the
# dashboard as it finds it: what builds here brings it up to date before.
build: dashboard ## Builds the binary with the dashboard in it
	cargo build --locked

dashboard: ## Builds the dashboard, if it is not that of its sources
	@scripts/dashboard

run: dashboard ## Builds and starts a server to try things out, with an inbox to send to
	cargo run -- serve --dev

# The real binary over PostgreSQL and Redis first; the runner's summary of all the others comes last.
test: setup dashboard check ## Installs what is missing, then runs the gate and all tests
	@scripts/with-servers scripts/test

# Every fault 50 times, PostgreSQL down for a minute: about an hour. N=5 and DOWN_S=10 make it less.
faults: setup ## Fails each part of a fleet under load, again and again
	POSTRIDER_TEST_FAULTS=$(or $(N),50) POSTRIDER_TEST_DOWN_S=$(or $(DOWN_S),60) \
		cargo test --locked --test e2e faults:: -- --nocapture --test-threads 1

# N cases for each role; ten thousand take about ten minutes in all. SEED repeats a run.
contract: setup ## Asks the API what its description allows and forbids, as every role
	POSTRIDER_TEST_CASES=$(or $(N),10000) $(if $(SEED),POSTRIDER_TEST_SEED=$(SEED)) \
		cargo test --locked --test e2e contract:: -- --nocapture --test-threads 1

# N=20 makes it less.
power: setup ## Kills an embedded server and cuts its power under load, 200 times each
	POSTRIDER_TEST_KILLS=$(or $(N),200) POSTRIDER_TEST_POWER_LOSSES=$(or $(N),200) \
		cargo test --locked --test e2e -- --nocapture --test-threads 1 power:: crash::kills_under_load

check: ## Runs the gate: formatting, clippy, licences and sources, generated files
	cargo fmt --all --check
	@scripts/cargo-tool cargo-deny 0.20.2
	@PATH="$(TARGET)/tools/bin:$$PATH" cargo deny --log-level error --locked check licenses bans sources
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@cargo run --quiet --locked -- config --defaults | diff -u config.default.toml - \
		|| { echo "config.default.toml is not current: run 'make config.default.toml'"; exit 1; }
	@cargo run --quiet --locked -- openapi | diff -u docs/openapi.json - \
		|| { echo "docs/openapi.json is not current: run 'make openapi.json'"; exit 1; }

# ARGS="--seconds 2" and the like: see `target/release/bench --help`.
bench: dashboard ## Measures throughput and latency on this machine, in the release build
	cargo build --release --locked -p postrider -p bench
	scripts/with-servers $(TARGET)/release/bench $(ARGS)

release: ## Builds what is given away: a static binary, its archive and a Debian package
	@scripts/release

setup: ## Installs what the tests need and this machine lacks
	@scripts/setup

config.default.toml: ## Writes the settings and their documentation anew
	cargo run --quiet -- config --defaults > $(TARGET)/config.default.toml
	mv $(TARGET)/config.default.toml $@

openapi.json: ## Writes the description of the API anew
	cargo run --quiet -- openapi > $(TARGET)/openapi.json
	mv $(TARGET)/openapi.json docs/openapi.json

# Of a server that a day of deliveries is made up for; the times in them are those of the run.
screenshots: setup dashboard ## Takes the pictures of docs/screenshots anew
	cargo test --locked --test e2e -- --ignored --exact --nocapture browser::pictures_for_the_documentation

clean: ## Removes everything that was built or installed here
	cargo clean
	rm -rf tests/receivers/node_modules tests/browser/node_modules dashboard/node_modules dashboard/dist
