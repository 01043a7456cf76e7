# Everything a fresh clone needs is made here: Python 3.11, pip and make are enough.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp
export UV_COMPILE_BYTECODE = 1
# What this machine trusts, pip trusts, and so should uv: behind a proxy with its own authority too.
export UV_SYSTEM_CERTS = 1

.PHONY: help demo test faults check bench lock format clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# uv sets up in a sixth of pip's time; where it cannot be had, or cannot fetch, pip does the same from the same lock.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv --without-pip --clear $(VENV)
	@if $(PYTHON) -m pip --python $(BIN)/python install --quiet uv \
	  && $(BIN)/python -m uv pip sync --quiet --python $(BIN)/python requirements.lock \
	  && $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . ; \
	then :; else \
	  echo "uv could not set up: using pip" \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements.lock \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation --editable . ; \
	fi
	@touch $@

demo: $(STAMP)   ## watch the real daemon find what is wrong at five simulated vendors
	@$(BIN)/watcher demo

test: $(STAMP)   ## every test, on SQLite and on a real Postgres
	$(BIN)/python -m pytest -n 2

faults: $(STAMP) ## hundreds of kills, and what else may go wrong, with figures: takes an hour
	WATCHER_TEST_KILLS_SQLITE=500 WATCHER_TEST_KILLS_POSTGRES=200 WATCHER_TEST_OWED=100_000 \
	  $(BIN)/python -m pytest -n 2 -rA tests/faults

check: $(STAMP)  ## ruff, mypy, import arrows, size budget
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_budget.py

bench: $(STAMP)  ## measure against the goals, and against Prometheus (Debian's package) beside us
	$(BIN)/python -m benchmarks

lock:            ## resolve anew: hashes, no addresses
	$(BIN)/python -m uv pip compile --quiet pyproject.toml --group dev --group sdks --extra postgres --extra parquet --generate-hashes \
	  --no-emit-index-url --no-header -o requirements.lock

format: $(STAMP) ## let ruff write
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

clean:           ## remove what was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
