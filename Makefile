# `make demo` and `make test` set up what they need; see the README.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint types lowest lock bench clean

help:
	@echo "make demo    set up, and collect a simulated office's file activity"
	@echo "make test    set up, and run every check"
	@echo "make lint types lowest bench lock clean"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV): takes about a minute the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/ctera-insights demo --data data/demo

test: $(READY) browser lint types
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

# The end-to-end tests drive a real Chromium; on Debian and its kin it is installed when missing.
.PHONY: browser
browser:
	@command -v chromium >/dev/null 2>&1 || { \
		echo "Installing Chromium for the browser tests"; \
		$(if $(filter 0,$(shell id -u)),,sudo) apt-get update -qq && \
		$(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; }

# The oldest versions that pyproject.toml allows, in an environment of their own.
lowest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .cache/lowest
	$(BIN)/uv pip install --quiet --python .cache/lowest/bin/python --resolution lowest-direct --editable '.[test]'
	.cache/lowest/bin/python -m pytest tests/lake tests/collect tests/portal tests/simulator tests/activity tests/insights

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra dev pyproject.toml --output-file requirements.lock

bench: $(READY)
	$(BIN)/python benchmarks/ingest.py

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
