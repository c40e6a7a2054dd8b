# Every target sets up by itself what it needs; `make setup` is skipped when nothing changed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

# Bytecode is written whatever the caller's environment says: start-up times depend on it.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PYTHONUNBUFFERED = 1

BIN := .venv/bin
PY := $(BIN)/python
READY := .venv/.ready
CODE := src tools tests benchmarks demo
EXTENSION := $(shell find src -name '*.c' -o -name '*.h') $(wildcard setup.py)
SYSTEM_PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(READY) ## Make .venv with everything the other targets need

$(READY): requirements.lock pyproject.toml $(EXTENSION) tools/setup.py
	@test -n "$(SYSTEM_PYTHON)" || { echo "expected Python 3.11 or newer with venv, found none; set SYSTEM_PYTHON=..." >&2; exit 2; }
	$(SYSTEM_PYTHON) tools/setup.py
	@touch $@

.PHONY: demo
demo: $(READY) ## Ingest 336,776 real flights, with a kill half-way: two minutes
	$(PY) -m demo.run

.PHONY: check
check: $(READY) ## Format, lint, types, import contract, documentation, C analysis: two minutes
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PY) -m tools.links
	$(PY) -m tools.reference --check
	$(PY) -m tools.reliability --check
	$(PY) -m tools.native

.PHONY: fix
fix: $(READY) ## Format, apply safe lint fixes, write the generated documentation anew
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)
	$(PY) -m tools.reference
	$(PY) -m tools.names
	$(PY) -m tools.reliability

.PHONY: test
test: $(READY) ## The test suite, with minutes per room: ten minutes
	$(BIN)/pytest -n 2 --dist worksteal

.PHONY: engines
engines: $(READY) ## Bring up further real servers and run the tests against them
	$(PY) -m tools.engines

.PHONY: soak
soak: $(READY) ## The long proofs; writes its figures to docs/reliability.md
	$(PY) -m tools.soak

.PHONY: bench
bench: $(READY) ## The benchmarks beside their peers; writes benchmarks/README.md
	$(PY) -m benchmarks.run

.PHONY: picture
picture: $(READY) ## Draw docs/images/demo.svg from what the demo shows
	$(PY) -m tools.picture docs/images/demo.svg --title "make demo" -- $(PY) -m demo.run

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --quiet --no-emit-project --all-extras --all-groups --no-header -o requirements.lock

.PHONY: clean
clean: ## Remove everything that the targets made
	rm -rf .venv .engines .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist demo-data benchmarks/.data
	find src tools tests benchmarks demo -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.so' -delete
