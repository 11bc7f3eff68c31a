# Encore. `make run` shows it, `make test` checks it; both install what they need.

SHELL := /bin/bash
# Tests start hundreds of processes of Encore, and each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test lint types contracts unit ui-test e2e kill-test rules-proof simulator-proof bench bench-prediction bench-policy bench-demographics bench-promises bench-files bench-segments lock openapi clean help ui shims schema bench-mail mail-proof decisions-proof

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

run: $(STAMPS)/run ui shims schema ## Install everything, start the demo, print its address
	@exec $(BIN)/python -m sandbox.demo $(ARGS)

# Two at a time where each leaves a processor idle; the Python tests share out both by themselves.
test: ## Run every check and test
	@$(MAKE) --no-print-directory -j2 -O $(STAMPS)/test $(STAMPS)/system ui shims schema
	@$(MAKE) --no-print-directory -j2 -O types lint ui-test contracts
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory e2e

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it, or name it with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMPS)/run: requirements/run.txt pyproject.toml | $(STAMPS)/venv
	@echo "Installing Encore (once)"
	@$(PIP) install --quiet --require-hashes -r requirements/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/test: requirements/test.txt $(STAMPS)/run
	@$(PIP) install --quiet --require-hashes -r requirements/test.txt
	@touch $@

$(STAMPS)/bench: requirements/bench.txt $(STAMPS)/test
	@$(PIP) install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

# Debian's PostgreSQL and Chromium, where we may install them.
$(STAMPS)/system: tools/install_system.sh
	@bash tools/install_system.sh
	@touch $@

embedded_ui/node_modules/.package-lock.json: embedded_ui/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 with npm is missing: install it and try again."; exit 1; }
	cd embedded_ui && npm ci --no-audit --no-fund --ignore-scripts

embedded_ui/dist/.vite/manifest.json: embedded_ui/node_modules/.package-lock.json $(shell find embedded_ui/src -type f 2>/dev/null) embedded_ui/openapi.json embedded_ui/vite.config.ts
	cd embedded_ui && npm run --silent build
	@touch $@

ui: embedded_ui/dist/.vite/manifest.json ## Build the embedded pages

sandbox/shims/node_modules/.package-lock.json: sandbox/shims/package-lock.json
	cd sandbox/shims && npm ci --no-audit --no-fund --ignore-scripts

sandbox/shims/dist/polaris.js: sandbox/shims/node_modules/.package-lock.json $(shell find sandbox/shims/src -type f 2>/dev/null)
	cd sandbox/shims && npm run --silent build
	@touch $@

shims: sandbox/shims/dist/polaris.js ## Build the stand-ins of Shopify's page scripts

sandbox/vendor/node_modules/.package-lock.json: sandbox/vendor/package-lock.json
	cd sandbox/vendor && npm ci --no-audit --no-fund --ignore-scripts

schema: sandbox/vendor/node_modules/.package-lock.json ## Fetch Shopify's official API schema

lint: $(STAMPS)/test ui
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd embedded_ui && npm run --silent lint

types: $(STAMPS)/test ui
	$(BIN)/mypy
	cd embedded_ui && npm run --silent typecheck

contracts: $(STAMPS)/test
	$(BIN)/lint-imports

ui-test: ui
	cd embedded_ui && npm run --silent test

unit: $(STAMPS)/test schema ## Python tests without a browser
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not browser" tests

e2e: $(STAMPS)/test $(STAMPS)/system ui shims schema ## Tests in a real browser
	$(BIN)/pytest -q -n 2 --dist loadgroup -m browser tests

kill-test: $(STAMPS)/test schema ## The long form of the crash tests
	ENCORE_KILLS=$${ENCORE_KILLS:-1000} ENCORE_KILL_SECONDS=$${ENCORE_KILL_SECONDS:-3600} $(BIN)/pytest -q -s tests/integration/sending/test_kill.py
	ENCORE_LOOKS=10000 $(BIN)/pytest -q tests/integration/sending/test_scanners.py
	ENCORE_KILL_ROUNDS=20 $(BIN)/pytest -q -m "not browser" -k "kill or crash" --ignore tests/integration/sending/test_kill.py tests

rules-proof: $(STAMPS)/test ## The whole proof of the rule compiler: 10,000 random rules against a second evaluator
	ENCORE_RULES_PROOF=10000 $(BIN)/pytest -q tests/unit/rules/test_brute.py

simulator-proof: $(STAMPS)/test ## Twenty simulated months against what the planner and the sender then did
	ENCORE_SIMULATOR_RUNS=20 $(BIN)/pytest -q tests/integration/simulate/test_proof.py

bench: bench-prediction bench-policy bench-demographics bench-promises bench-files bench-segments bench-mail ## All benchmarks
mail-proof: $(STAMPS)/test ## The whole proof of composing: 10,000 random messages against the standard library's
	ENCORE_MAIL_PROOF=10000 $(BIN)/pytest -q tests/unit/mail/test_mail_proof.py
decisions-proof: $(STAMPS)/test ## The whole proof of decisions: 10,000 random shops against a brute-force judge
	ENCORE_ORACLE_SHOPS=10000 $(BIN)/pytest -q -n auto tests/integration/sending/test_oracle.py

bench-prediction: $(STAMPS)/bench ## Prediction quality against public baselines
	$(BIN)/python -m benchmarks.prediction.run $(ARGS)

bench-policy: $(STAMPS)/test ## Policies and their evaluation on a real randomised experiment
	$(BIN)/python -m benchmarks.policy

bench-demographics: $(STAMPS)/test ## Gender from first names against the 1990 census
	$(BIN)/python -m benchmarks.demographics

bench-files: $(STAMPS)/test ## Speed and memory of downloads and uploads
	$(BIN)/python -m benchmarks.files $(ARGS)

bench-promises: $(STAMPS)/test ## How often promises of segments hold
	$(BIN)/python -m benchmarks.promises

bench-segments: $(STAMPS)/test ## Segments of a million customers against SQL written by hand
	$(BIN)/python -m benchmarks.segments.run $(ARGS)

bench-mail: $(STAMPS)/test $(STAMPS)/system ## What sending costs, against the same without a store
	$(BIN)/python -m benchmarks.mail.run $(ARGS)

openapi: $(STAMPS)/run ## Write the OpenAPI document and the UI's types
	$(BIN)/encore openapi --out embedded_ui/openapi.json
	cd embedded_ui && npm run --silent types

lock: $(STAMPS)/test ## Renew the lock files
	$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --extra sandbox -o requirements/run.txt pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --extra sandbox --extra dev -c requirements/run.txt -o requirements/test.txt pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --extra sandbox --extra dev --extra bench -c requirements/test.txt -o requirements/bench.txt pyproject.toml

clean: ## Remove what was built and the demo's data
	rm -rf $(VENV) $(STAMPS) .encore embedded_ui/dist embedded_ui/node_modules sandbox/shims/dist sandbox/shims/node_modules sandbox/vendor/node_modules
