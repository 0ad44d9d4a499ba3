# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV := .uv/bin/uv
PYTHON := .venv/bin/python
export PYTHONPATH := cluster
# uv's own environment is the system Python's; the project's is .venv, made from uv.lock and nothing else.
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help setup check format test test-quick test-training test-e2e test-kills build-tools bench-operator bench-prepare bench-trainer bench-ocr bench-api bench-dashboard chart-docs manifests test-chart browser test-browser demo cluster cluster-down clean

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

$(UV):
	@echo "setup: uv into .uv (seconds)"
	@python3 -m venv .uv
	@.uv/bin/pip install --quiet "uv>=0.9,<1"

.venv/.synced: pyproject.toml uv.lock | $(UV)
	@echo "setup: the locked packages into .venv (5 GB with torch; minutes the first time, seconds from cache)"
	@$(UV) sync --frozen --all-extras --quiet
	@touch $@

setup: .venv/.synced ## Make .venv from uv.lock

check: setup ## Format, lint, types, layers
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup ## Format and fix what can be fixed
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

build-tools: setup ## Compile the embedded Kubernetes, helm and BuildKit once (seven minutes)
	$(PYTHON) -m ocr_cluster build

test: check build-tools browser ## Every check and test that CI runs
	$(PYTHON) tests/suites.py quick training e2e

test-quick: setup build-tools browser ## Units, and operator, facade and chart on a real control plane
	$(PYTHON) tests/suites.py quick

test-training: setup ## Really trains small models (two minutes)
	$(PYTHON) tests/suites.py training

test-e2e: setup build-tools ## Images, helm and a run to Complete on the embedded node
	$(PYTHON) tests/suites.py e2e

test-kills: setup build-tools ## Kill the operator at a hundred random moments (two minutes)
	OCR_TEST_KILLS=100 $(PYTHON) -m pytest -s tests/operator/test_killed.py

bench-operator: setup build-tools ## How quickly the operator makes Jobs, and at what cost, beside a Go peer (nine minutes)
	PYTHONPATH=cluster:tests $(PYTHON) benchmarks/bench_operator.py

bench-prepare: setup ## How quickly images are checked, and in how much memory (half a minute)
	$(PYTHON) benchmarks/bench_prepare.py

bench-trainer: setup ## Training and testing against stock mmocr on the same cores (six minutes)
	$(PYTHON) benchmarks/bench_trainer.py

bench-ocr: setup ## The demo's presets trained for eighteen minutes, then read against RapidOCR
	$(PYTHON) benchmarks/bench_ocr.py

bench-dashboard: setup build-tools browser ## How quickly the dashboard's pages open in a real browser (two minutes)
	PYTHONPATH=cluster:tests $(PYTHON) benchmarks/bench_dashboard.py

bench-api: setup build-tools ## How quickly /status answers 200 times a second, with and without downloads (two minutes)
	PYTHONPATH=cluster:tests $(PYTHON) benchmarks/bench_api.py

chart-docs: build-tools ## Make the chart's README of its values
	.cluster/bin/helm-docs -c charts -s file -l warning

manifests: build-tools ## Write dist/install.yaml for kubectl apply; VALUES="--set image.registry=..."
	$(PYTHON) charts/manifests.py $(VALUES)

browser: ## Chromium and fonts for the browser tests, from Debian
	@command -v chromium > /dev/null && fc-list : family | grep -q "Noto Sans CJK" || { apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk fontconfig > /dev/null; }

test-browser: setup build-tools browser ## The dashboard in a real Chromium
	$(PYTHON) tests/suites.py browser

test-chart: setup build-tools ## The chart: lint, schemas of five versions, a real API server, alerts, rights
	$(PYTHON) tests/suites.py chart

demo: setup ## Train the example receipts on an embedded Kubernetes, from nothing to the figures
	@$(PYTHON) examples/demo.py

cluster: setup build-tools ## Start the embedded node; prints the kubeconfig
	@$(PYTHON) -m ocr_cluster up

cluster-down: setup ## Stop the embedded node and leave nothing behind
	@$(PYTHON) -m ocr_cluster down

clean: ## Stop the node and remove what was built here
	[ ! -x $(PYTHON) ] || $(PYTHON) -m ocr_cluster destroy
	rm -rf .venv .uv dist .demo
