# Needs Python 3.11 or newer, git and make; everything else goes into .venv in this folder.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH := torch==2.13.0
READY := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help .venv demo test lint bench lean fuzz clean

help: ## show this list
	@sed -n 's/^\([.a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

.venv: $(READY) ## create or update the environment; the command is then .venv/bin/flowcodec

# torch goes first and alone: a CPU build that pip is offered is then taken as it is, and the range
# of the extra does not replace it by a newer one with gigabytes of CUDA.
$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q $(TORCH)
	.venv/bin/python -m pip install -q -e '.[train,bench,ssimulacra2,vvc,dev]'
	@touch $@

demo: $(READY) ## compress three photographs and show them beside JPEG, WebP and AVIF
	.venv/bin/flowcodec demo

# As many processes as cores, of one thread each: twice as fast as one process of many threads.
test: $(READY) ## run the tests
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n auto --dist loadfile

lint: $(READY) ## check style, types and the rules between the rooms
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy src
	.venv/bin/lint-imports --no-logo

bench: $(READY) ## measure speed and memory, and compression against what is stored
	.venv/bin/python -m benchmarks
	.venv/bin/python -m benchmarks.compression

LEAN := .lean

lean: ## install without torch into an empty environment, and code a picture, a video and motion there
	rm -rf $(LEAN)
	$(PYTHON) -m venv $(LEAN)
	$(LEAN)/bin/python -m pip install -q .
	$(LEAN)/bin/python -m tests.lean $(LEAN)
	rm -rf $(LEAN)

FUZZ := .venv/bin/python -m pytest -q --hypothesis-profile=fuzz
DAMAGED := tests/codecs/test_fuzz.py

fuzz: $(READY) ## decode 20,000 damaged files, then run the property tests, all with fresh input
	$(FUZZ) -s $(DAMAGED)
	$(FUZZ) -m hypothesis --ignore=$(DAMAGED)

clean: ## remove caches and build output; .venv, runs and weights stay
	rm -rf build dist .lean demo-out bench-out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf src/*.egg-info
	find src tests benchmarks experiments -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
