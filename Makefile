PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo test test-real stress faults chaos machine fuzz check lint types imports contracts bench load docs format clean

setup: $(STAMP)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Pictor needs Python >= 3.11; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.lock pyproject.toml $(VENV)/bin/python
	$(BIN)/python tools/install.py
	@touch $@

demo: setup
	$(BIN)/pictor demo $(if $(EXIT),--exit) $(if $(JSON),--report $(JSON)) $(if $(SMALL),--small)

test: setup
	$(BIN)/python -m pytest tests -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-real: setup
	$(BIN)/python -m pytest -m real -s tests/e2e/test_real_frames.py $(ARGS)

stress: setup
	PICTOR_STOP_CYCLES=200 $(BIN)/python -m pytest -m "stress or not real" -s tests/runtime/test_stopping.py tests/runtime/test_process_stop.py tests/runtime/test_broker_damage.py tests/runtime/stacking/test_scale.py tests/services/cli/stages/test_no_compiling.py $(ARGS)

faults: setup
	$(BIN)/python -m pytest tests/faults --faults all --faults-page docs/faults.md -n 2 --dist loadfile $(ARGS)

chaos: setup
	$(BIN)/python -m tests.faults.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10) $(ARGS)

machine: setup
	PICTOR_MACHINE_SEQUENCES=$(or $(SEQUENCES),200) $(BIN)/python -m pytest tests/faults/test_machine.py -s $(ARGS)

check: lint types imports contracts

contracts: setup
	$(BIN)/pictor contracts

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

FUZZ := $(VENV)/.fuzz

$(FUZZ): fuzz/requirements.lock $(STAMP)
	$(BIN)/python tools/install.py fuzz/requirements.lock
	@touch $@

fuzz: $(FUZZ)
	$(BIN)/python -m fuzz.run --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) $(ARGS)

bench: setup
	$(BIN)/python -m bench.run $(ARGS)

load: setup
	$(BIN)/python -m load.run $(if $(FULL),--full) $(ARGS)

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo docs/_build/html/index.html

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) docs/_build docs/reference .mypy_cache .ruff_cache .pytest_cache .hypothesis
