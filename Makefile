# The same commands for people and for CI.
PYTHON ?= python

.PHONY: check test test-all docs bench format

check:  ## lint, format, types, walls
	ruff check .
	ruff format --check .
	mypy
	lint-imports

test:  ## the default run: under ten minutes on two cores
	$(PYTHON) -m pytest -m "not slow"

test-all:  ## with the slow tests
	$(PYTHON) -m pytest

docs:  ## the reference from the docstrings, into site/
	$(PYTHON) docs/build.py site

bench:  ## every comparison that the README and the docs quote
	$(PYTHON) benchmarks/startup.py
	$(PYTHON) benchmarks/input_cost.py
	$(PYTHON) benchmarks/runtime_latency.py

format:
	ruff check --fix .
	ruff format .
