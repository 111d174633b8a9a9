# The two commands of the README: `make demo` and `make test`. Both need only Python 3.11+,
# make and git; everything else is installed into .venv from this project's own files.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed-demo
DEV_STAMP = $(VENV)/.installed-dev
# Tests wait for apps, workers and terminals a third of their time: three make two cores busy.
JOBS ?= 3

.PHONY: demo test check format screenshots clean

demo: $(STAMP)
	$(BIN)/lamella demo

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal
	NO_COLOR=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m no_color tests/app

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(DEV_STAMP)
	$(BIN)/python tests/make_screenshots.py

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints-dev.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints-dev.txt -e .
	$(BIN)/python -c 'from inspect_core.delta.kernel import warm_up; warm_up()'
	touch $@

$(DEV_STAMP): pyproject.toml constraints-dev.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints-dev.txt -e '.[dev]'
	$(BIN)/python -c 'from inspect_core.delta.kernel import warm_up; warm_up()'
	touch $@ $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
