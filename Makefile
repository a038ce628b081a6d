# One command each, the same on a laptop and in CI. `make` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

# What the scripts unpacked or found comes first; Debian's PATH for users lacks the folders of makemap and sendmail.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.dev/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON := .venv/bin/python
PYTEST ?= $(PYTHON) -m pytest
JOBS ?= 2
ARGS ?=
LOCK := $(PYTHON) -m piptools compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options --allow-unsafe --no-strip-extras --no-header

.PHONY: help up down status shell images mail mail-down test e2e e2e-all drills unproved histories lint format bench docs lock clean distclean \
	venv

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

venv:
	@tools/bootstrap

up: venv ## Run AWS, three tiers and all, embedded, as you are: no root, no Docker, no account
	@tools/mail-programs makemap
	@$(PYTHON) -m embedded up

down: ## End all that `make up` started
	@if [[ -x $(PYTHON) ]]; then $(PYTHON) -m embedded down; else echo "Nothing was ever started."; fi

status: venv ## Show what `make up` started
	@$(PYTHON) -m embedded status

shell: venv ## A shell in which `reconfigure` is a tier's command line (TIER=imap, smtp-in or smtp-out)
	@$(PYTHON) -m embedded shell $(or $(TIER),imap)

images: venv ## Build the three tiers' images, with Docker or podman
	@tools/containers build

mail: images ## Run real mail: three containers, DNS, AWS double and a sink for what is sent (root, or Docker)
	@$(PYTHON) -m stack up

mail-down: ## End what `make mail` started
	@if [[ -x $(PYTHON) ]]; then $(PYTHON) -m stack down; else echo "Nothing was ever started."; fi

test: venv ## Run every test that needs no container (ARGS="-k word" narrows, JOBS=4 widens)
	@tools/mail-programs --install makemap sendmail opendkim miltertest extrausers m4 sendmail-cf
	@tools/mail-programs promtool # never installed: it comes in one package with a server that would run
	@[ $$(id -u) -ne 0 ] || tools/mail-programs --install chromium # nothing to unpack: it is too large for that
	@$(PYTEST) -n $(JOBS) -m "not (containers or drills or unproved)" --cov --cov-report=term $(ARGS)

e2e: images ## Drive the containers from outside, as a user and as an attacker would (minutes)
	@$(PYTEST) -m "containers and not (quiet or unproved)" $(ARGS)

e2e-all: images ## That, and what needs a quiet machine: kills, rights taken away, starts and memory
	@$(PYTEST) -m "containers and not unproved" $(ARGS)

drills: images ## Break the containers and mend them by what docs/runbooks says (minutes)
	@$(PYTEST) -m "drills and not unproved" $(ARGS)

unproved: images ## Run the tests that are left out elsewhere until what they promise is shown
	@$(PYTEST) -m unproved $(ARGS)

histories: venv ## Hold what a message's pass serves against full reads, over thousands of random histories (minutes)
	@HISTORIES=$(or $(HISTORIES),5000) $(PYTEST) tests/directory/test_amend.py $(ARGS)

lint: venv ## Style, types, and which module may import which
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	lint-imports

format: venv ## Let ruff format the code, and mend what it can
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .

bench: venv ## Measure a pass from 1,000 to 1,000,000 addresses (minutes)
	@tools/mail-programs makemap
	@$(PYTHON) -m bench $(ARGS)

docs: venv ## Write the reference pages that come out of the code
	$(PYTHON) -m reconfigure.settings >docs/reference/settings.md
	$(PYTHON) -m reconfigure.cli >docs/reference/commands.md
	$(PYTHON) -m tests.terraform.readme
	$(PYTHON) -m tests.terraform.costs

lock: venv ## Pin what pyproject.toml asks for, with hashes (ARGS=--upgrade moves to the newest versions)
	$(LOCK) $(ARGS) --output-file requirements.lock pyproject.toml
	$(LOCK) $(ARGS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(LOCK) $(ARGS) --constraint requirements-dev.lock --output-file docker/lab/requirements.lock docker/lab/requirements.in

clean: down ## Forget the embedded state and what tools cached
	@if [[ -x $(PYTHON) && -d .state/stack ]]; then $(PYTHON) -m stack down --volumes; fi
	rm -rf .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## That, and the venv and the unpacked tools: everything generated
	rm -rf .venv .dev .containers *.egg-info
