# Two commands for a new machine: `make demo` and `make test`. Both build .venv first, if it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs generated clean

demo: .venv/ready
	$(BIN)/audiospec featurize demo --chunk 2 --store demo/demo.zarr --data demo/audio
	$(BIN)/audiospec store info demo/demo.zarr
	$(BIN)/audiospec show demo/demo.zarr waltz.00003 --out demo/waltz.00003.png
	@echo "Look at demo/waltz.00003.png"

test: check
	$(BIN)/pytest -n 2 --dist loadfile

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The documentation, on http://127.0.0.1:8000; built again when a page changes.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# Tables of entries, figures and help texts in README.md and docs/, written anew.
generated: .venv/ready
	$(BIN)/python docs/generate.py

# One file of exact versions for everything, so that everybody has the same.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("audiospec needs Python 3.11 to 3.13: make PYTHON=python3.12 ...") if not (3, 11) <= sys.version_info < (3, 14) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
