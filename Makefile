# Everything runs in .venv, which is made when it is missing. PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Reference data for parity tests and real clips, when they lie beside the checkout; tests that need them say so if not.
ifneq ($(wildcard ../shared/reference),)
export TATS_EXP_REFERENCE ?= $(abspath ../shared/reference)
endif
ifneq ($(wildcard ../shared/clips),)
export TATS_EXP_CLIPS ?= $(abspath ../shared/clips)
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test lint gpu clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(VENV)/installed  ## set up .venv; a torch that is there already is kept

# A torch in .venv, or in the interpreter .venv is made with, stays as it is; otherwise the version of constraints.txt.
$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { \
	  if $(PYTHON) -c 'import torch' 2>/dev/null; then site=--system-site-packages; fi; \
	  echo "making $(VENV)"; $(PYTHON) -m venv $$site $(VENV); }
	@echo "installing into $(VENV): some 1.6 GB, a few minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	@cp constraints.txt $(VENV)/constraints.txt
	@if version=$$($(BIN)/python -c 'import torch; print(torch.__version__)' 2>/dev/null); then \
	  echo "keeping torch $$version"; \
	  sed -i.bak "s/^torch==.*/torch==$$version/" $(VENV)/constraints.txt; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## the main job on the embedded data: +experiment=padding_ablation
	$(BIN)/python -m tats_exp +experiment=padding_ablation

test: install  ## all tests (those marked gpu need a CUDA device)
	$(BIN)/python -m pytest -n auto

lint: install  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: install  ## all that needs a CUDA device, in under 9 minutes; leaves a record in benchmarks/gpu/
	$(BIN)/python benchmarks/gpu.py

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
