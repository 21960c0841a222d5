# `make demo` and `make test` set up what they need; see the README.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
READY := $(VENV)/.ready

.PHONY: help demo test lint types tools widgets lowest lock bench clean

help:
	@echo "make demo    set up, and collect a simulated office's file activity"
	@echo "make test    set up, and run every check"
	@echo "make lint types lowest bench lock widgets clean"

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

test: $(READY) tools lint types
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

# The tests drive a real Chromium, rebuild the widgets' JavaScript with npm, replay repositories with git, and
# compile what makes file operations fail. On Debian and its kin, what is missing is installed.
tools:
	@missing=""; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	command -v git >/dev/null || missing="$$missing git"; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	[ -z "$$missing" ] || { \
		command -v apt-get >/dev/null || { echo "The tests need:$$missing" >&2; exit 1; }; \
		echo "Installing$$missing"; \
		$(SUDO) apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }

# The widgets' modules from their sources; the result is committed.
widgets: tools
	cd ctera_insights/widgets/js && npm ci --no-audit --no-fund && npm run build

# The oldest versions that pyproject.toml allows, in an environment of their own: what collects, stores, derives
# and answers must work with them. `make lowest LOWEST=tests` runs everything.
LOWEST := tests/test_bounds.py tests/lake tests/activity tests/entries tests/insights \
	tests/collect/test_collector.py tests/portal/test_pages.py tests/portal/test_notifications.py
lowest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .cache/lowest
	$(BIN)/uv pip install --quiet --python .cache/lowest/bin/python --resolution lowest-direct --editable '.[test]'
	CTERA_INSIGHTS_LOWEST=1 .cache/lowest/bin/python -m pytest $(LOWEST)

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra dev pyproject.toml --output-file requirements.lock

# Each benchmark prints its figures beside the peer's, from one run; --help tells its options.
bench: $(READY)
	for benchmark in ingest enrich queries explorer directio; do $(BIN)/python benchmarks/$$benchmark.py || exit; done

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
