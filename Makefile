# Paddock, from a fresh clone to a running daemon (`make run`) or a full test run (`make test`).
# Only a Python >= 3.11, git and make are needed; scripts/setup brings the rest.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := setup
.PHONY: setup page run test check bench lock docs clean

setup: $(READY)

$(READY): pyproject.toml requirements/dev.txt scripts/setup
	@scripts/setup $(VENV)
	@touch $@

# The chat's page: built again when something in web/ is another than it was.
page: setup
	@$(BIN)/python scripts/page.py

run: page
	$(BIN)/paddock demo --packaged

test: check
	@scripts/test-packages
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: page
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/page.py check
	$(BIN)/pytest --quiet tests/unit/test_freshness.py

bench: setup
	$(BIN)/python -m bench

# Names no package index, so that the files are the same wherever they are made.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

lock: setup
	$(COMPILE) --extra embedded --extra demo --extra postgres --output-file requirements/run.txt pyproject.toml
	$(COMPILE) --all-extras --output-file requirements/dev.txt pyproject.toml

docs: setup
	$(BIN)/python scripts/docs.py

clean:
	rm -rf $(VENV) web/node_modules src/paddock/chat/static build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
