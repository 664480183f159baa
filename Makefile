PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo test test-real check lint types imports contracts bench format clean

setup: $(STAMP)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Pictor needs Python >= 3.11; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.lock pyproject.toml $(VENV)/bin/python
	$(BIN)/python tools/install.py
	@touch $@

test: setup
	$(BIN)/python -m pytest tests $(ARGS)

check: lint types imports

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
