# The same commands for people and for CI.
PYTHON ?= python

.PHONY: check test test-all docs bench format

check:  ## lint, format, types, walls
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# Three processes: the runtime's tests run where torch is never loaded, and trainings run apart from
# the engines that export loads (torch training after OpenVINO in one process has crashed).
RUNTIME_TESTS = tests/saccade tests/examples tests/docs
TRAINING_TESTS = tests/saccade_train/training tests/saccade_train/semisup \
	tests/saccade_train/cli/test_train.py
WORKSHOP_TESTS = tests/saccade_train tests/benchmarks $(TRAINING_TESTS:%=--ignore=%)
ONLY = -m "not slow"

test:  ## the default run: under ten minutes on two cores
	@failed=0; \
	$(PYTHON) -m pytest $(ONLY) $(RUNTIME_TESTS) || failed=1; \
	$(PYTHON) -m pytest $(ONLY) $(TRAINING_TESTS) || failed=1; \
	$(PYTHON) -m pytest $(ONLY) $(WORKSHOP_TESTS) || failed=1; \
	exit $$failed

test-all:  ## with the slow tests
	$(MAKE) test ONLY=

docs:  ## the reference from the docstrings, into site/
	$(PYTHON) docs/build.py site

bench:  ## every comparison that the README and the docs quote
	$(PYTHON) benchmarks/startup.py
	$(PYTHON) benchmarks/input_cost.py
	$(PYTHON) benchmarks/runtime_latency.py

format:
	ruff check --fix .
	ruff format .
