# Hawker: `make demo` and `make test` do everything, from a machine with Python 3.11+, make and a C compiler.
#
#   make demo                    import real purchases, train, publish, show, serve
#   make demo ARGS="--no-serve"  the same, without serving
#   make test                    all tests             make check    style, types, walls
#   make serve                   serve what is published
#   make bench ARGS="shop --quick"                     make lock     renew the lock files
#   make tables                  write the tables of REFERENCE.md anew

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The installation is up to date when a file named after the contents that it was made from is there.
INSTALLED := $(VENV)/installed-$(shell cat requirements.lock pyproject.toml | cksum | tr ' ' '-')
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --require-virtualenv install
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: install check test demo serve bench lock tables
.DEFAULT_GOAL := install

install: $(INSTALLED)

$(INSTALLED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'Hawker needs Python 3.11 or newer, which $(PYTHON) is not; name another one: make PYTHON=python3.12 ...' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 13)))' \
	    || command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || { \
	    echo 'Hawker needs a C compiler on this Python (one package has no wheel for it): install gcc, or use Python 3.12 or 3.13' >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing the pinned packages into $(VENV): a few minutes, once.' >&2
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import engine.recommend.recommender' # compiles what every page needs, once
	@rm -f $(VENV)/installed-*
	@touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: install
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(ARGS)

demo: install
	$(BIN)/hawker demo $(ARGS)

serve: install
	$(BIN)/hawker serve $(ARGS)

bench: install
	$(BIN)/hawker bench $(ARGS)

# Hashes make an installation repeatable; the files name no host, so that any mirror serves.
lock: install
	$(COMPILE) --all-extras --output-file requirements.lock $(ARGS)
	$(COMPILE) --extra serving --constraint requirements.lock --output-file requirements-serving.lock
	$(COMPILE) --extra training --constraint requirements.lock --output-file requirements-training.lock

tables: install
	$(BIN)/python -m tests.reference_tables
