# `make demo` and `make test` are the two commands of a fresh machine: both first install what is missing.

BIN := .venv/bin

# Tests start hundreds of Python programs: none should compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint style format bench fuzz rows clean

help:
	@echo "make demo    train on real digits, build firmware, verify every output on the emulated board"
	@echo "make test    lint, types and all tests, the emulated ones included"
	@echo "make lint    ruff and mypy only        make format   let ruff rewrite"
	@echo "make bench   print the measurements    make clean    remove what building and testing left"
	@echo "make fuzz    20,000 random graphs and 20,000 sequences, in PyTorch and C (ARGS='--sequences --count 500')"
	@echo "make rows    every row of the op matrix on every core (ARGS='cortex-m55 --op conv2d')"

setup:
	@.ci/bootstrap

demo: setup
	@$(BIN)/firmnet demo

# Half of the tests wait for boards: three workers keep two cores busy. Types are checked beside them.
test: style
	@$(BIN)/mypy & types=$$!; $(BIN)/pytest -n 3 --dist loadfile; tests=$$?; wait $$types && exit $$tests

lint: style
	$(BIN)/mypy

style: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit; done

fuzz: setup
	@$(BIN)/python tests/ops/fuzz.py $(ARGS)

rows: setup
	@$(BIN)/python tests/ops/every_row.py $(ARGS)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
	find generator tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
