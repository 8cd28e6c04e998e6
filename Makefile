# What people type. `make` alone lists it.

# The first Python that MindSpore has wheels for; say `make PYTHON=/path/to/python3.11 ...` for another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && { echo $$p; exit; }; \
	done; echo python3)
PY := .venv/bin/python
# Two at a time, each with one thread; those that train on two devices take turns, and so do those that sweep (groups of
# pytest-xdist's): each starts many processes.
PYTEST := $(PY) -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup

.PHONY: help tour test check test-fast test-with walk campaign lab figures notebooks clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

# pip's word on a mirror or a newer pip is noise here; what fails is still said.
.venv/installed: pyproject.toml tools/preflight.py
	@"$(PYTHON)" tools/preflight.py .
	@echo "installing into .venv (3.3 GiB, a few minutes) ..."
	@"$(PYTHON)" -m venv .venv
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

tour: .venv/installed  ## train a Ghost network on real digits and look at it (one to five minutes)
	@$(PY) tools/tour.py
	@$(PY) -m ghostlib report data/runs/tour

test: check  ## the whole suite, after the check; SHARE=1/4: of the slow tests the first of four parts
	@$(PYTEST) --durations=40 $(if $(SHARE),--share $(SHARE))

check: .venv/installed  ## ruff, on notebooks too, and types
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy --no-error-summary

test-fast: .venv/installed  ## what takes seconds each, some minutes in all, for everyday
	@$(PYTEST) -m "not slow"

walk:  ## type the commands of the README and its doors in a fresh clone, but those marked as not run
	@"$(PYTHON)" tools/walk.py

# Which tests, in pytest's words; empty for all of them.
TESTS ?= -m "not slow"
test-with: tools/preflight.py  ## the fast tests with another MindSpore: MINDSPORE=mindspore==2.7.0
	@"$(PYTHON)" tools/preflight.py .
	@"$(PYTHON)" tools/test_with.py "$(MINDSPORE)" $(TESTS)

# A failure prints the command that repeats it.
MINUTES ?= 15
campaign: .venv/installed  ## attack it: kills, damaged bytes, full disks; MINUTES=60 for longer
	@$(PY) tests/campaign.py --minutes $(MINUTES)

# NPU servers and containers are often worked on as root, which Jupyter refuses unless told.
lab: .venv/installed  ## JupyterLab on the lab's contents page, on this machine only, with a token
	@$(PY) -m jupyterlab --ip=127.0.0.1 --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks/index.ipynb \
		--LabApp.app_settings_dir=tools/jupyter --ServerApp.contents_manager_class=ghostlib.lab.KernelsAtTheTop \
		$(if $(filter 0,$(shell id -u)),--allow-root)

figures: .venv/installed  ## rebuild figures/ and the tables in README and docs/ from committed tables and notebooks
	@$(PY) tools/make_figures.py
	@$(PY) tools/make_readme.py

notebooks: .venv/installed  ## execute notebooks whose code or recorded tables changed, or ALL=1, and store outputs
	@$(PY) -m ghostlib fetch photographs
	@$(PY) tools/run_notebooks.py $(if $(ALL),--all)

clean:  ## remove the environments and what runs left behind
	rm -rf .venv .venv-* data/runs
