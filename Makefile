# bungyo on a fresh Debian 12 or 13: git, make and Python 3.11 or newer are all it takes.
#
#   make demo     set up what is missing, then open the demo (pictures in out/ where there is no display)
#   make test     set up what is missing, then lint, type-check and run the tests
#   make lint     ruff and mypy alone
#   make setup    the setting up alone (what `make demo` needs)
#   make clean    remove .venv and what the demo and the tests wrote
#
#   make demo ARGS="--mode reference --size 640x360"     options for the demo
#   make test ARGS="-k hash"                              options for pytest (-n 0: one test at a time)
#   make test PYTHON=python3.12                           another interpreter
#
# The tests need torch. pip picks its CUDA build on Linux, some gigabytes; to spare them, let pip find a CPU build of the
# version in constraints.txt first (PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL). The demo needs no torch.

PYTHON ?= python3
ARGS ?=
export PYTHON

.PHONY: demo test lint setup ready-to-run ready-to-test clean

demo: ready-to-run
	@.venv/bin/bungyo demo $(ARGS)

test: lint
	@BUNGYO_VALIDATION=1 .venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: ready-to-test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy

setup: ready-to-run
	@echo "bungyo is ready: .venv/bin/bungyo --help"

ready-to-run:
	@setup/system.sh run
	@setup/python.sh run

ready-to-test:
	@setup/system.sh test
	@setup/python.sh test

clean:
	rm -rf .venv build out tests/failed .mypy_cache .ruff_cache .pytest_cache
