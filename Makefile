# Everything works on a fresh clone with python3 >= 3.11 alone; each target brings what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup engine base demo unit test fuzz study coverage cluster lint format docs pictures recording tutorial bench clean

help:  ## Show this.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: .venv/.ready  ## Make .venv with the package and what its development needs.

.venv/.ready: .venv/.package
	@echo "adding what development needs"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable . --group dev
	@touch $@

.venv/.package: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("sandbox needs python3 >= 3.11, this is " + sys.version.split()[0] + "; try: make setup PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13' 2> >(grep -v '^WARNING: Location' >&2)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable .
	@touch $@

engine:  ## Make sure that a Docker Engine answers (installs and starts one on Debian or Ubuntu as root).
	@images/engine.sh

base: engine .venv/.package  ## Make sure that the standard base image is there (from Debian's archive where no registry answers).
	@images/base/make.sh

demo: .venv/.package  ## Make a small project in demo/ and run the main job on it.
	@images/engine.sh --optional
	@images/base/make.sh --optional
	@if [[ -e demo ]]; then \
		echo "demo/ is there already: judging it as it is (for a new one: rm -r demo)"; \
		cd demo && { ../$(BIN)/sandbox diff || [[ $$? == 1 ]]; }; \
	else $(BIN)/sandbox demo demo; fi

unit: setup lint  ## Check style, types and layers, and run the tests that need no engine.
	$(BIN)/pytest --numprocesses 2 sandbox tests/unit

test: setup lint  ## Check everything: style, types, layers, and all tests (real engine, real files).
	@images/engine.sh $(if $(filter true,$(CI)),,--optional)
	@images/base/make.sh $(if $(filter true,$(CI)),,--optional)
	@tests/e2e/openers.sh $(if $(filter true,$(CI)),,--optional)
	@tests/browser/chromium.sh $(if $(filter true,$(CI)),,--optional)
	@tests/integration/sources/server.sh $(if $(filter true,$(CI)),,--optional)
	@tests/integration/sources/mariadb.sh $(if $(filter true,$(CI)),,--optional)
	@tests/integration/sources/java.sh $(if $(filter true,$(CI)),,--optional)
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder --durations 20

fuzz: setup  ## Compare generated tables with an independent account of what is equal, for MINUTES=10.
	ORACLE_EXAMPLES=10000 $(BIN)/pytest --numprocesses 2 tests/property/compare
	$(BIN)/python -m tests.property.compare.fuzz --minutes $(or $(MINUTES),10)

study: setup coverage  ## Judge 20,000 changes in tables of many columns by the oracle; goes on where it was, keeps seeds and figures; then the separability check, with 20 samples for each kind of key.
	$(BIN)/python -m tests.property.compare.study
	STUDY_SALTS=20 $(BIN)/pytest --numprocesses 2 tests/integration/separability/test_pipelines.py
	DRIFT_POPULATIONS=100 $(BIN)/pytest --numprocesses 2 tests/integration/sampler/test_drift.py
	CHUNK_CHANGES=10000 $(BIN)/pytest --numprocesses 2 tests/property/compare/test_chunk_prefilter.py

coverage: setup  ## Print how often estimates of each status hold the truth, over DRAWS=1000 samples of each design: docs/estimates.md.
	$(BIN)/python benchmarks/estimate/statuses.py $(or $(DRAWS),1000)
	$(BIN)/python benchmarks/estimate/groups.py $(or $(DRAWS),1000)

cluster: setup  ## Keep a standalone Spark of two workers running on this machine, until Ctrl-C (needs Java 17 or later).
	@$(BIN)/python -m tests.integration.sources.cluster

lint: setup  ## Check style, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Put the code into its style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## Write the pages and schemas that are made from the code.
	@$(BIN)/python docs/generate.py

pictures:  ## Draw the pictures of docs/architecture.md (needs Graphviz).
	@for one in docs/pictures/*.dot; do dot -Tsvg "$$one" -o "$${one%.dot}.svg"; done

recording: setup  ## Record the demo again: docs/demo.svg.
	@$(BIN)/python docs/recording/record.py

tutorial: setup  ## Run docs/tutorial.md and write the outputs of its commands into it.
	@$(BIN)/python docs/recording/tutorial.py

bench: setup  ## Print one table of diffs and draws against limits and peers, at a tenth of the full size (SCALE=0.1).
	@$(BIN)/python benchmarks/run.py --peers --scale $(or $(SCALE),0.1)

clean:  ## Remove what was made here.
	rm -rf .venv .make dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
