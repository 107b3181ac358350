# Everything a user or developer needs; `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
GPUS := $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU')
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo serve check test test-loaded test-all mutants chaos audit clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY) ## install everything into .venv (minutes the first time)

# pip can't install one package of a list without its dependencies, and SGLang's would bring gigabytes of
# CUDA to a machine without a GPU: there its needs are pinned in a file of their own.
$(READY): engine/requirements-cpu.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sluice needs Python 3.11 or newer: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	if [ "$(GPUS)" -gt 0 ]; then $(PIP) install -q -e '.[gpu,dev]'; else $(MAKE) cpu-packages; fi
	@touch $@

.PHONY: cpu-packages
cpu-packages:
	$(PIP) install -q -r engine/requirements-cpu.txt
	$(PIP) install -q --no-deps sglang==0.5.21
	$(PIP) install -q --no-deps --no-build-isolation -e .

demo: setup ## ask a question of the demo database on two real runtimes
	$(BIN)/python -m launch.demo

serve: setup ## start a server on port 30000
	$(BIN)/python -m launch.server

check: setup ## lint, format, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Two processes: one begins with the tests on real runtimes, the other with the rest.
PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder
QUICK := -m "not slow" --hypothesis-profile=quick

test: check ## check, then all tests but the slow ones, and fewer examples of properties
	$(BIN)/python $(PYTEST) $(QUICK)

test-loaded: setup ## the same tests beside eight busy processes on two cores
	$(BIN)/python -m tests.beside_load 8 $(BIN)/python $(PYTEST) $(QUICK)

test-all: check ## every test, the slow ones included, with the coverage of branches
	$(BIN)/coverage erase
	$(BIN)/coverage run $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# mutmut has a folder of its own, which sees the packages in .venv: nobody else needs it.
MUTMUT := .mutants-venv

$(MUTMUT)/.ready: $(READY)
	$(BIN)/python -m venv $(MUTMUT)
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > $$(echo $(MUTMUT)/lib/python3*/site-packages)/sluice.pth
	$(MUTMUT)/bin/python -m pip --disable-pip-version-check install -q mutmut==3.8.1
	@touch $@

mutants: setup $(MUTMUT)/.ready ## change the core of the scheduler and the check of SQL; list what no test notices
	rm -rf mutants
	$(MUTMUT)/bin/python -m mutmut run
	$(MUTMUT)/bin/python -m mutmut results

chaos: setup ## inject one fault after another into running servers; what is lost, how soon all is as before
	$(BIN)/python -m launch.bench chaos

# A package of which the service knows nothing counts as a finding (--strict): without that, an unreachable
# service looks like a clean result.
AUDIT := .audit-venv

audit: ## look the pinned packages up among the known vulnerabilities (needs network)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip --disable-pip-version-check install -q pip-audit
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r engine/requirements-cpu.txt

clean: ## remove the environment and caches
	rm -rf $(VENV) $(MUTMUT) $(AUDIT) mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* *.egg-info
