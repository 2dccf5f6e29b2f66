# Two commands do everything: `make demo` (the main job on this machine) and `make test`.
# Everything is installed into .venv and a cache outside the checkout ($XDG_CACHE_HOME/tuner or ~/.cache/tuner).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TUNER  := $(BIN)/tuner
ARGONNE := ../shared/data/argonne_llm_bench/All_results.csv
SERVING := --methods tuner+prior tuner tpe random --noise 0 --seeds 5
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint policy-test soak testbed-up testbed-down testbed-status bench-demo bench-load bench-search bench-tables bench-service bench-decision bench-crash bench-fuzz docs lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@sh testbed/venv.sh "$(PYTHON)" "$(VENV)"

$(VENV)/.run: requirements/tuner.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing tuner into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/tuner.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "installing the test tools into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.run ## The main job on this machine: a committed spec becomes a tested, policy-checked pull request
	@$(BIN)/python -m testbed.demo

test: $(VENV)/.dev lint ## Every check and every test
	@$(BIN)/python -m pytest

unit: $(VENV)/.dev ## The tests that need no outside part, in seconds
	@$(BIN)/python -m pytest -m "not real and not campaign and not soak"

lint: $(VENV)/.dev ## Format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

policy-test: $(VENV)/.dev ## The policies alone: format, strict check, tests with coverage, lint, on the real OPA
	@$(BIN)/python -m pytest tests/policy

testbed-up: $(VENV)/.dev ## A real single-node Kubernetes on this machine (root, Linux); prints its kubeconfig
	@$(BIN)/python -m testbed.cluster up

testbed-down: $(VENV)/.dev ## Take it down and leave nothing
	@$(BIN)/python -m testbed.cluster down

testbed-status: $(VENV)/.dev ## One line for each of its parts
	@$(BIN)/python -m testbed.cluster status

soak: $(VENV)/.dev ## The long counts, resumable; writes bench/results/soak.json
	@$(BIN)/python -m bench.soak

bench-demo: $(VENV)/.dev ## Where a campaign's time goes; writes bench/results/demo.json
	@$(BIN)/python -m bench.demo

bench-load: $(VENV)/.dev ## How good measurements are, against truth and against other tools; writes bench/results/load.json
	@$(BIN)/python -m bench.load

bench-search: $(VENV)/.dev ## How few trials a search needs, beside other tuners; writes bench/results/search*.json
	@$(BIN)/python -m bench.search_peers >/dev/null
	@missed=0; \
	$(BIN)/python -m bench.search || missed=1; \
	$(BIN)/python -m bench.search --table $(ARGONNE) $(SERVING) || missed=1; \
	table=$$($(BIN)/python -m bench.search_estimates) && \
	$(BIN)/python -m bench.search --table "$$table" $(SERVING) || missed=1; \
	exit $$missed

bench-tables: $(VENV)/.dev ## Measure the tables of bench/tables on real Triton, resumable: an hour and a half on a quiet machine
	@$(BIN)/python -m bench.measure_table text-orientation
	@$(BIN)/python -m bench.measure_table file-type

bench-service: $(VENV)/.dev ## What watching costs: 10,000 specs, 200 repositories; writes bench/results/service.json
	@$(BIN)/python -m bench.service

bench-decision: $(VENV)/.dev ## What a decision costs, in this process and by an OPA server; writes bench/results/decision.json
	@$(BIN)/python -m bench.decision

bench-crash: $(VENV)/.dev ## Kill the service 500 times on a real Gitea, resumable: half an hour; writes bench/results/crash.json
	@$(BIN)/python -m bench.crash

bench-fuzz: $(VENV)/.dev ## A million inputs at the doors for strangers' text, resumable; writes bench/results/fuzz.json
	@$(BIN)/python -m bench.fuzz

docs: $(VENV)/.dev ## Generate docs/spec.md and the command reference
	@$(BIN)/python -m tuner.spec.reference configs/examples/good/tuning-complete.yaml > docs/spec.md
	@$(BIN)/typer tuner.cli.app utils docs --name tuner --output docs/commands.md

lock: $(VENV)/.dev ## Pin every dependency with its hashes
	@sh requirements/lock.sh

clean: ## Remove the environment of this checkout (the cache stays)
	rm -rf $(VENV)
