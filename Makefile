# Every target installs first, where the environment is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Where Python may not keep what it has compiled, every process would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test test-all lint docs bench clean

install: $(INSTALLED)

# The pip that comes with Python 3.11 takes three times as long to choose versions. Most of what is installed is never
# imported, so only what is gets compiled, once. Kernels of the samplers are compiled here, for the same reason.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[all,dev,docs]'
	$(BIN)/qubo-dnn compile-kernels
	touch backends/qubo_backends/__pycache__/compiled-kernels
	touch $@

demo: $(INSTALLED)
	$(BIN)/qubo-dnn compress zoo:mnist-cnn --budget 3bits --backend pt --seed 0 --out runs/mnist --overwrite

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses auto --dist worksteal -m "not slow"

test-all: $(INSTALLED)
	$(BIN)/pytest --numprocesses auto --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Tutorials and gallery are run; a warning is an error. Links and, where there is a browser, pages are looked at.
# The site is docs/_build/html/index.html.
docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	QUBO_DNN_SITE=docs/_build/html $(BIN)/pytest tests/docs/test_site.py

# The extra brings solvers that ours are compared with, and that nothing else needs.
bench: $(INSTALLED)
	$(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench.compression
	$(BIN)/python -m bench.solvers

# Leaves the environment and the results in runs/ alone.
clean:
	rm -rf docs/_build docs/benchmarks/results docs/gallery docs/tutorials
	rm -rf docs/reference/api docs/reference/backends docs/reference/commands docs/reference/formulations
	rm -f $(addprefix docs/reference/,encodings.md errors.md formats.md model-file.md)
	rm -rf build dist .coverage .hypothesis .import_linter_cache .mypy_cache .nox .pytest_cache .ruff_cache
	find backends bench formulations qubo_dnn tests -name __pycache__ -type d -prune -exec rm -rf {} +
