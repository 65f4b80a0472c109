# The same commands for people and for CI.
PYTHON ?= python

.PHONY: check test test-all docs bench format

check:  ## lint, format, types, walls
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# Two processes, one a package: the runtime's tests run in a process that never loads torch.
RUNTIME_TESTS = tests/saccade tests/examples tests/docs
WORKSHOP_TESTS = tests/saccade_train

test:  ## the default run: under ten minutes on two cores
	@failed=0; \
	$(PYTHON) -m pytest -m "not slow" $(RUNTIME_TESTS) || failed=1; \
	$(PYTHON) -m pytest -m "not slow" $(WORKSHOP_TESTS) || failed=1; \
	exit $$failed

test-all:  ## with the slow tests
	$(PYTHON) -m pytest $(RUNTIME_TESTS)
	$(PYTHON) -m pytest $(WORKSHOP_TESTS)

docs:  ## the reference from the docstrings, into site/
	$(PYTHON) docs/build.py site

bench:  ## every comparison that the README and the docs quote
	$(PYTHON) benchmarks/startup.py
	$(PYTHON) benchmarks/input_cost.py
	$(PYTHON) benchmarks/runtime_latency.py

format:
	ruff check --fix .
	ruff format .
