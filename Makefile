# The front door: `make run` and `make test` need nothing before them but Python 3.11 and make.
PYTHON   ?= python3
PORT     ?= 8000
DATA_PORT ?= $(shell expr $(PORT) + 1)
DATA_DIR ?= data
HOST     ?= 127.0.0.1
T        ?= tests
JOBS     ?= auto

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run demo test test-fast lint types imports check format bench clean setup setup-dev

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:
	@$(PYTHON) tools/bootstrap.py

setup-dev:
	@$(PYTHON) tools/bootstrap.py --dev

run: setup  ## Start everything on PORT (8000) with DATA_DIR (data), publish the demo on first start
	@$(BIN)/python tools/run.py --host $(HOST) --port $(PORT) --data-port $(DATA_PORT) --data-dir "$(DATA_DIR)"

demo: setup  ## Publish (or complete) the demo on a hub that `make run` has started elsewhere
	@$(BIN)/python tools/run.py --port $(PORT) --data-dir "$(DATA_DIR)" --demo-only

test: setup-dev  ## Run everything this machine can; T=path narrows it
	@$(BIN)/python tools/test.py --jobs $(JOBS) $(T)

test-fast: setup-dev  ## Run the tests that take seconds
	@$(BIN)/python -m pytest -q -n $(JOBS) -m "not e2e and not slow and not browser" $(T)

lint: setup-dev  ## Check style, formatting and import layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup-dev  ## Check types (mypy strict)
	@$(BIN)/mypy

check: lint types  ## Lint and types

format: setup-dev  ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup-dev  ## Print speed and size as ratios against baselines of the same run
	@$(BIN)/python tests/bench/run.py

clean:  ## Remove the virtual environments and caches; data stays
	rm -rf .venv .venv-hub1 .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
