# Every task a newcomer or CI needs. Only Python (3.11 or newer) and make are assumed.
#   make serve   run everything          make test    set up and pass the tests
#   make check   static checks           make bench   figures against the limits
# With a C compiler, `make serve` once makes machine code of the gateway's busiest modules; COMPILE=no leaves that out.

PYTHON ?= python3
COMPILE ?= yes
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
NATIVE := $(VENV)/.compiled

.PHONY: serve setup setup-dev test test-fast check format lock compile bench bench-peers test-peers schema migrations picture clean help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Circuit Breaker needs Python 3.11 or newer; try: make PYTHON=python3.12 serve")'
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt | $(RUN)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Once, and never an error: without a compiler, or if it fails, the gateway runs as plain Python and the banner says so.
$(NATIVE): requirements-compile.txt | $(RUN)
	@if test "$(COMPILE)" != no && command -v cc >/dev/null; then \
		echo "Making machine code of the gateway's busiest modules, once, in about a minute (make COMPILE=no serve leaves it out) ..."; \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-compile.txt \
			&& $(BIN)/python -m llm.gateway.compiled --if-possible || true; \
	fi
	@touch $@

setup: $(RUN) $(NATIVE) ## make .venv and install what the product needs

setup-dev: $(RUN) $(DEV) ## the same, with the tools for tests and checks

serve: $(RUN) $(NATIVE) ## run gateway, control and worker with embedded defaults
	@$(BIN)/python manage.py serve $(ARGS)

test: setup-dev ## the whole test suite, on every storage this machine has
	$(BIN)/python -m pytest tests/core tests/wire tests/gateway
	STORAGE_BACKEND=memory $(BIN)/python -m pytest tests/apps
	STORAGE_BACKEND=sqlite $(BIN)/python -m pytest tests/apps
	STORAGE_BACKEND=postgres $(BIN)/python -m pytest tests/apps
	$(BIN)/python -m pytest tests/acceptance

test-fast: setup-dev ## core, wire and gateway only: seconds, no database
	$(BIN)/python -m pytest -q tests/core tests/wire tests/gateway

check: setup-dev ## ruff, mypy, import-linter, migrations, exported schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py export_schema --check

format: setup-dev ## let ruff lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: setup-dev ## write docs/schema.graphql
	$(BIN)/python manage.py export_schema

migrations: setup-dev ## write missing migrations
	$(BIN)/python manage.py makemigrations

lock: setup-dev ## pin the requirements*.in with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11 --constraint requirements-dev.txt requirements-compile.in -o requirements-compile.txt

compile: setup-dev ## the gateway's busiest modules as machine code again, after its sources have changed (needs a C compiler)
	$(BIN)/python -m llm.gateway.compiled

bench: setup-dev ## our figures against the limits (needs wrk and nginx)
	@$(BIN)/python -m llm.gateway.compiled --if-possible
	$(BIN)/python -m benchmarks

bench-peers: setup-dev ## the same against LiteLLM, TensorZero, Portkey, LangGraph, DBOS, SNAKES and pm4py, installed for it (needs npm too; some minutes)
	@$(BIN)/python -m llm.gateway.compiled --if-possible
	$(BIN)/python -m benchmarks --against-peers

test-peers: setup-dev ## our analysis and PNML beside SNAKES and pm4py, installed for it and removed afterwards
	folder=$$(mktemp -d); PEERS=$$folder $(BIN)/python -m pytest tests/peers; status=$$?; rm -rf $$folder; exit $$status

picture: setup-dev ## make the README's pictures in headless Chromium
	$(BIN)/python -m tests.acceptance.pictures

clean: ## remove everything that was made here
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
