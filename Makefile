# make help lists what can be done. Everything happens in .venv, which the first target that needs it creates.
# Stamp files inside .venv say what is installed there: a second run installs nothing unless pyproject.toml changed.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
TFLITE_VENV := .venv-tflite
# Words for the command behind a target, for example: make demo ARGS="--seconds 20", make test ARGS="-k outbox".
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-models soak calibration venv services grafana-ui clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed-all ## the whole system on this machine: three simulated devices to a carbon account
	@$(BIN)/edgejoule demo $(ARGS)

test: $(VENV)/.installed-dev $(TFLITE_VENV)/.installed services grafana-ui ## every test; on Debian or Ubuntu with root also installs what some of them need
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup $(ARGS)

check: $(VENV)/.installed-dev ## formatting, lint, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## let ruff format and fix what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## every benchmark against its floor or peer; ARGS="--json FILE" keeps the figures
	@$(BIN)/python -m benchmarks $(ARGS)

bench-models: $(VENV)/.installed-dev $(TFLITE_VENV)/.installed ## the latency of every model with every engine here, into models/latency.toml and the cards
	@$(BIN)/python -m benchmarks.model_latency --write $(ARGS)
	@if [ -x $(TFLITE_VENV)/bin/python ]; then $(TFLITE_VENV)/bin/python -m benchmarks.model_latency --write $(ARGS); fi

soak: $(VENV)/.installed-dev ## ten minutes of a thousand simulated devices with random faults, and the verdict; ARGS="--devices 100"
	@$(BIN)/python -m benchmarks.soak $(ARGS)

calibration: $(VENV)/.installed-dev ## a thousand simulated benches and the figure of docs/uncertainty.md
	@$(BIN)/python -m benchmarks.calibration --figure docs/images/calibration.svg $(ARGS)

venv: $(VENV)/.installed-dev ## the virtual environment for development, in .venv

services: # what some tests run: mosquitto, InfluxDB, gcc, Chromium, Node.js
	@scripts/install_test_services.sh

grafana-ui: services # Grafana's own components and types, which the dashboards are drawn and checked with in tests
	@scripts/install_grafana_ui.sh

clean: ## remove what builds, tests and checks left
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/results demo-run
	@find . \( -path ./$(VENV) -o -path ./$(TFLITE_VENV) \) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## clean, and remove .venv, .venv-tflite and what npm installed too
	@rm -rf $(VENV) $(TFLITE_VENV) tests/grafana_ui/node_modules

$(BIN)/python:
	@scripts/create_venv.sh $(VENV)

$(VENV)/.installed-all: pyproject.toml | $(BIN)/python
	@echo "installing edgejoule[all] into $(VENV), once (about a minute)" >&2
	@$(BIN)/python -m pip install --quiet --editable '.[all]' >&2
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing edgejoule[all,onnx,train] and the development tools into $(VENV), once (a minute or two)" >&2
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' >&2
	@$(BIN)/python -m pip install --quiet --editable '.[all,onnx,train]' --group dev >&2
	@touch $@ $(VENV)/.installed-all

# The environment in which tests/engines tries tflite-runtime; left out, with a word, where Python 3.11 is not.
$(TFLITE_VENV)/.installed: scripts/create_tflite_venv.sh | $(BIN)/python
	@scripts/create_tflite_venv.sh $(TFLITE_VENV)
