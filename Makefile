# The front door. `make` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
SECONDS_TO_FUZZ ?= 60
WORKERS ?= auto
IMAGES ?= ghcr.io/token-injector
TAG ?= dev

# No library may look for a cloud around this machine: each of them would probe a link-local address.
export NO_GCE_CHECK := true
export AWS_EC2_METADATA_DISABLED := true
export GCE_METADATA_HOST := 127.0.0.1:1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: venv launcher ## Run the main job on this machine: review, patched pod, token, STS, boto3, refresh
	$(BIN)/python -m demo

.PHONY: test
test: venv launcher ## Run every test; those that look at the clock one by one, after the others
	$(PYTEST) -n $(WORKERS) -m "not alone and not cluster and not images"
	$(PYTEST) -m alone
	@echo "left out: tests/images (make images-check, needs a builder of images) and tests/e2e (make e2e, needs a cluster)"

.PHONY: unit
unit: venv ## Run the quick tests only
	$(PYTEST) -n $(WORKERS) -m "not slow and not cluster and not images"

.PHONY: check
check: lint test ## Run what CI runs: linters, types, import rule, tests

.PHONY: lint
lint: venv ## Ruff, mypy, import-linter, shellcheck, hadolint, helm lint, generated docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files '*.sh' .ci/run | xargs $(BIN)/shellcheck
	git ls-files 'Dockerfile*' '*/Dockerfile' | xargs $(BIN)/hadolint
	$(BIN)/python docs/generate.py --check
	$(BIN)/python charts/generate.py --check
	@if command -v helm >/dev/null; then helm lint --strict charts/token-injector; else echo "helm is not on PATH: the chart is not linted" >&2; fi

.PHONY: bench
bench: venv launcher ## Measure ratios against named floors; fails over a bound (needs valgrind)
	$(BIN)/python -m bench

.PHONY: e2e
e2e: venv ## Run the tests on the cluster of KUBECONFIG (needs kubectl, helm and `make images`)
	$(PYTEST) tests/e2e -m cluster

.PHONY: faults
faults: venv ## Break the cluster of KUBECONFIG row by row and count what is lost; FAULTS=--quick for CI's rows
	$(BIN)/python -m bench.faults $(FAULTS)

.PHONY: bench-node
bench-node: venv ## Measure a pod's start and a sleeping sidecar's memory on the cluster of KUBECONFIG
	$(BIN)/python -m bench.node

.PHONY: fuzz
fuzz: venv ## Fuzz the launcher's parsers for SECONDS_TO_FUZZ, and prove that a planted bug is found (needs clang)
	bash injector/launcher/fuzz/fuzz.sh $(SECONDS_TO_FUZZ)
	bash injector/launcher/fuzz/fuzz.sh --planted

.PHONY: launcher
launcher: build/launcher/.built ## Build the launcher for both architectures into build/launcher/

build/launcher/.built: $(VENV)/.installed injector/launcher/build.sh $(wildcard injector/launcher/*.[ch])
	@echo "building the launcher; the first time takes about a minute, because zig builds a C library too" >&2
	PYTHON=$(BIN)/python bash injector/launcher/build.sh build/launcher
	@touch $@

.PHONY: images
images: ## Build the images IMAGES/NAME:TAG with docker, podman, buildah, or the command in IMAGE_BUILD
	bash images/images.sh build $(IMAGES) $(TAG)

.PHONY: images-check
images-check: venv ## Look into the built images: size, contents, byte code, and do they run (needs root)
	bash images/images.sh save $(IMAGES) $(TAG) build/images
	IMAGES_ROOT=build/images $(PYTEST) -m images tests/images

.PHONY: format
format: venv ## Format the Python files
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

.PHONY: golden
golden: venv ## Rewrite what golden pods and charts expect; read the diff
	REWRITE_GOLDEN=1 $(PYTEST) -q tests/webhook/test_golden.py tests/ctl tests/chart/test_golden.py

.PHONY: docs
docs: venv ## Rewrite the generated parts of the documentation
	$(BIN)/python docs/generate.py

.PHONY: manifests
manifests: venv ## Rewrite the generated parts of the chart, and deploy/ from it (needs helm)
	$(BIN)/python charts/generate.py
	$(BIN)/python deploy/render.py

.PHONY: lock
lock: ## Renew the hash-locked requirements from pyproject.toml
	bash requirements/lock.sh

.PHONY: venv
venv: $(VENV)/.installed ## Create the virtual environment from the hash-locked requirements

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "token-injector needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the locked requirements into $(VENV); once, one to two minutes" >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(VENV) build bench/results *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -r {} +
