# What a newcomer needs: `make demo` shows the guard at work, `make test` passes every check.
# Both make ./.venv, build the project once, and leave nothing outside this folder.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# One profile for the wheel, clippy and the Rust tests: the dependencies are compiled once.
CARGO_PROFILE := --release --locked

# One commit gives one wheel, byte for byte, wherever it is built: no date and no path of the machine.
SAME_BYTES := PATH="$(CURDIR)/$(BIN):$$PATH" CARGO_TARGET_DIR=$(CURDIR)/target \
              SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
              RUSTFLAGS="--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo --remap-path-prefix=$(CURDIR)=/source"
# Which wheel `make dist` builds. On Linux zig links it, so that any machine serves for any of them.
TARGET        ?= $(shell rustc -vV | sed -n 's/^host: //p')
COMPATIBILITY ?= $(if $(findstring musl,$(TARGET)),musllinux_1_2,manylinux2014)
SBOM          := $(CURDIR)/target/rust.cyclonedx.json
WHEEL          = --release --locked --target $(TARGET) --compression-level 9 --sbom-include $(SBOM) \
                 $(if $(findstring linux,$(TARGET)),--zig --compatibility $(COMPATIBILITY))
# For every Python from 3.11 on and every system.
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade

SOURCES := $(shell find rust policies python -type f ! -name '*.pyc' ! -name '*.so') \
           Cargo.toml Cargo.lock pyproject.toml README.md LICENSE

.DEFAULT_GOAL := help
.PHONY: help install servers demo test lint lint-rust lint-python test-rust test-python test-speed \
        accept-bench bench sdist wheel dist test-dist lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.tools: tests/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hint: Python 3.11 or newer is needed; set PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@touch $@

# The wheel as a user gets it, not an editable install: what is tested is what is shipped.
$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install --disable-pip-version-check --force-reinstall --no-deps \
	  --no-build-isolation .
	$(BIN)/pip check
	@touch $@

tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	npm ci --prefix tests/e2e --no-audit --no-fund --loglevel=error

install: $(VENV)/.installed ## build and install into ./.venv

servers: tests/e2e/node_modules/.package-lock.json ## fetch the real MCP servers for demo and tests

demo: install servers ## the guard between a real MCP client and a real MCP server
	@$(BIN)/python examples/demo.py

# The installed package is built first: every later step reuses its compiled dependencies.
test: install servers ## everything that must pass: lint, types, Rust tests, Python tests
	$(MAKE) lint-rust
	$(MAKE) test-rust
	$(MAKE) lint-python
	$(MAKE) test-python
	$(MAKE) test-speed

lint: lint-rust lint-python ## format checks, clippy, ruff, mypy, stubtest

lint-rust:
	cargo fmt --all --check
	cargo clippy $(CARGO_PROFILE) --workspace --all-targets -- -D warnings

# Examples are measurements: clippy compiles them, nothing here runs them.
test-rust:
	cargo test $(CARGO_PROFILE) --workspace --lib --tests
	cargo test $(CARGO_PROFILE) --workspace --doc

lint-python: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest mcp_egress_guard._core

test-python: install servers
	$(BIN)/python -m pytest

# The program whose instructions are counted; built as the wheel's core is.
$(VENV)/.counted: $(VENV)/.installed $(wildcard rust/core/examples/*.rs)
	cargo build $(CARGO_PROFILE) --workspace --example instructions
	@touch $@

test-speed: $(VENV)/.counted ## this build against the accepted speed (benches/results)
	$(BIN)/python -m pytest benches/test_gate.py -rs --benchmark-columns=min,median,max

accept-bench: $(VENV)/.counted ## store this build's speed as the accepted one
	$(BIN)/python -m benches.gate

bench: install ## the figures of the README, measured here
	$(BIN)/python benches/evaluate.py
	$(BIN)/python benches/evaluate.py --hostile
	$(BIN)/python benches/startup.py
	$(BIN)/python benches/proxy_latency.py

$(VENV)/.release: $(VENV)/.tools release/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r release/requirements.txt
	@touch $@

sdist: $(VENV)/.release
	$(SAME_BYTES) $(BIN)/maturin sdist --out dist

wheel: $(VENV)/.release ## a wheel for TARGET=... into ./dist
	mkdir -p target
	$(BIN)/python release/sbom.py > $(SBOM)
	$(SAME_BYTES) $(BIN)/maturin build $(WHEEL) --out dist

# The environment of its own holds the wheel and what it stands on; no compiler ran for it.
dist: $(VENV)/.release ## sdist, this machine's wheel, SBOM and licences into ./dist
	rm -rf dist target/clean
	$(MAKE) sdist wheel
	$(PYTHON) -m venv --without-pip target/clean
	$(BIN)/pip --python target/clean/bin/python install --quiet --only-binary :all: dist/*.whl
	mkdir dist/about
	$(BIN)/cyclonedx-py environment --output-reproducible -o dist/about/python.cyclonedx.json target/clean/bin/python
	$(BIN)/python release/licences.py dist/*.whl dist/about/*.json > dist/about/licences.md

# Builds the sdist once more in another folder; the dependencies of `make dist` are not compiled again.
test-dist: dist servers ## what `make dist` made: installs anywhere, works, same bytes when built again
	$(SAME_BYTES) WHEEL="$(WHEEL)" $(BIN)/python -m pytest release

lock: $(VENV)/.release ## newest version of every Python tool, pinned with hashes
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile $(LOCK) -o tests/requirements.txt --extra dev pyproject.toml
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile $(LOCK) -o release/requirements.txt -c tests/requirements.txt release/requirements.in

clean: ## remove what the targets above made
	rm -rf $(VENV) .demo dist target tests/e2e/node_modules
