# Every command makes its own environment in .venv the first time, and again when pyproject.toml changes.
# With uv when it is there, with plain venv and pip when not. Another interpreter: make PYTHON=python3.12 test
# Further arguments: make test ARGS="-k solve"

ENV := .venv/bin/python
READY := .venv/.ready
ARGS ?=

# One thread for linear algebra: on small problems more threads only get in each other's way.
OPENBLAS_NUM_THREADS ?= 1
OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS OMP_NUM_THREADS

# A PYTHON that is asked for replaces an environment of another version; otherwise the environment keeps its own.
version = $(shell ($(1) -c 'import sys; print(sys.version_info[:3])') 2>/dev/null)
ifdef PYTHON
ifneq ($(call version,$(PYTHON)),$(call version,$(ENV)))
$(READY): FORCE
endif
endif
PYTHON ?= $(or $(shell ($(ENV) -c 'import sys; print(sys._base_executable)') 2>/dev/null),python3)

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test test-slow lab notebooks check format bench docs images fidelity theorems clean FORCE

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make the environment .venv

reproduce: $(READY)  ## the published figures, into results/
	$(ENV) -m tabular reproduce papers $(ARGS)

test: $(READY)  ## the fast tests and the notebooks
	$(ENV) -m pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

test-slow: $(READY)  ## the tests that take minutes
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(ENV) -m pytest -n logical --maxprocesses 4 --dist worksteal -m "slow and not browser and not gpu" $(ARGS)

lab: $(READY)  ## JupyterLab, at the first notebook
	$(ENV) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS) notebooks/01_first_look.ipynb

notebooks: $(READY)  ## run the notebooks and keep their outputs: all, or ARGS="05 08"
	$(ENV) -m tests.notebooks $(ARGS)

check: $(READY)  ## format, lint and types
	@failed=0; \
	for tool in "ruff format --check ." "ruff check ." "pyright --pythonpath $(ENV)"; do \
	  echo "$$tool"; $(ENV) -m $$tool || failed=1; \
	done; exit $$failed

format: $(READY)  ## format, and mend what ruff can mend
	$(ENV) -m ruff format .
	$(ENV) -m ruff check --fix .

bench: $(READY)  ## speed against quantecon and mdpsolver; of figures, lab, explorers and training against their bars
	$(ENV) -m tests.benchmarks.solvers
	$(ENV) -m tests.benchmarks.batches
	$(ENV) -m tests.benchmarks.studies
	$(ENV) -m tests.benchmarks.lab
	$(ENV) -m tests.benchmarks.explorers
	$(ENV) -m tests.benchmarks.deep

docs: $(READY)  ## the documentation, into docs/_build/html
	$(ENV) -m sphinx -W --keep-going -q -b html docs docs/_build/html $(ARGS)

PICTURES := omd-fig2 omd-fig3 lab-simulation lab-residual mismatch-map

images: $(READY)  ## pictures of README and docs (the mismatch map takes 20 minutes on two cores)
	mkdir -p docs/images
	$(ENV) -m tabular.studies.animation docs/images/learning.gif
	$(ENV) -m tests.browser.pictures docs/images
	$(ENV) -m tabular reproduce $(PICTURES) --out results
	cp $(PICTURES:%=results/%.png) docs/images/
	cp results/mismatch-map.csv docs/records/

fidelity: $(READY)  ## docs/fidelity.md, from a full run of the published figures
	$(ENV) -m tabular reproduce papers --out results
	$(ENV) -m deep reproduce pedagogical --out results
	$(ENV) -m tabular.studies.fidelity results docs deep.studies

theorems: $(READY)  ## docs/theorems.md: every claim checked and attacked (most of an hour on two cores)
	$(ENV) -m tabular reproduce lab-board --out results
	$(ENV) -m tabular.studies.theorems results docs
	mkdir -p docs/images && cp results/lab-board.png docs/images/

clean:  ## remove .venv and everything else that was made
	rm -rf .venv results docs/_build .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "mdpscope needs Python 3.11 or newer. $(PYTHON): $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@rm -rf .venv
	@if command -v uv >/dev/null; then \
	  echo "Setting up .venv with uv, once." && \
	  uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv && \
	  uv pip install --quiet --python $(ENV) --editable '.[dev]'; \
	else \
	  echo "Setting up .venv with pip, once. It takes a minute or two." && \
	  $(PYTHON) -m venv .venv && \
	  $(ENV) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	fi
	@touch $@
