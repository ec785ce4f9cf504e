# `make run` and `make test` need nothing but Python 3.11+ : they make .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
.DEFAULT_GOAL := help

.PHONY: help run test test-long check docs bench format clean
help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,dev]"
	@touch $(READY)

run: $(READY) ## set up, then train a network on the digits and write its report
	$(BIN)/thalweg train digits

test: $(READY) ## set up, then run the tests (under ten minutes on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not long"

test-long: $(READY) ## the tests that take longer, among them 200 kills at random moments
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m long

check: $(READY) ## format, lint, types, layers
	$(BIN)/ruff format --check src tests benchmarks docs/make_tables.py
	$(BIN)/ruff check src tests benchmarks docs/make_tables.py
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put the code into the house's format
	$(BIN)/ruff format src tests benchmarks docs/make_tables.py
	$(BIN)/ruff check --fix src tests benchmarks docs/make_tables.py

docs: $(READY) ## write the catalogues' tables into the documents
	$(BIN)/python docs/make_tables.py

bench: $(READY) ## measure the speed claims; peers from PyPI are installed beside
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/train_small.py
	$(BIN)/python benchmarks/train_large.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/defaults.py
	$(BIN)/python benchmarks/rules.py
	$(BIN)/python benchmarks/muon.py
	$(BIN)/python benchmarks/precise_statistics.py

clean: ## remove the environment
	rm -rf $(VENV)
