# Each command sets up what it needs: a machine with Python (3.11 to 3.13) and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test dev bench lint format lock clean

help: ## show this help
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# Only a changed lock or project file installs again.
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true # Great Expectations imports in 3 s, not 8
	@touch $@

demo: $(READY) ## run one night of a made-up care system of 20,000 people
	@$(BIN)/registry demo

test: $(READY) ## run every test, two files at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile

dev: $(READY) ## open the Dagster UI on http://127.0.0.1:3000 over the made-up care system
	@$(BIN)/registry dev

bench: $(READY) ## measure speed and memory against a plain Splink script (long; see tests/benchmarks)
	@$(BIN)/python -m tests.benchmarks

lint: $(READY) ## ruff, mypy and the import rules of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## resolve requirements.lock anew (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-strip-extras pyproject.toml --output-file requirements.lock

clean: ## remove the virtual environment and every result
	@rm -rf $(VENV) registry_home
