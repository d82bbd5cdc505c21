# Two commands for a new machine: `make demo` and `make test`. Both build .venv first, if it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-long sanitize check docs generated clean

# The whole story on a dataset that is synthesised on the spot: one decode for two features, the health of the
# data, two models, what leaks add to a score, a prediction for a song that the model has not learnt from, and
# two files to open.
demo: .venv/ready
	$(BIN)/audiospec featurize demo --features mel,tabular --chunk 4 --set mel.n_mels=64 --set mel.hop_length=1024 \
	    --store demo/demo.zarr --data demo/audio
	$(BIN)/audiospec doctor demo/demo.zarr
	rm -rf demo/runs
	$(BIN)/audiospec train svm --store demo/demo.zarr --out demo/runs
	$(BIN)/audiospec leakage svm --store demo/demo.zarr --out demo/runs
	$(BIN)/audiospec train crnn-base --store demo/demo.zarr --epochs 12 --out demo/runs
	$(BIN)/audiospec predict demo/runs/svm-tabular-4s-*-group-0 demo/audio/*/reel/reel.00000.wav --top 3
	$(BIN)/audiospec report demo/runs --out demo/report.html
	$(BIN)/audiospec show demo/demo.zarr reel.00001 --view mel --out demo/reel.00001.png
	@echo
	@echo "Open demo/report.html (scores, what leaks add, errors) and demo/reel.00001.png (a spectrogram)."
	@echo "Features are in demo/demo.zarr, runs in demo/runs, the audio in demo/audio; make clean removes all of it."

test: check
	$(BIN)/pytest -n 2 --dist loadfile

# What takes long and is not in `make test`: trainings that repeat published figures, memory of long files.
test-long: .venv/ready
	$(BIN)/pytest -n 2 --dist loadfile -m long

# Tests of the compiled kernels, built with AddressSanitizer and UBSan; Linux with gcc.
sanitize: .venv/ready
	$(BIN)/python tests/compiled/sanitize.py

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -p no:cacheprovider tests/test_house.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The documentation, on http://127.0.0.1:8000; built again when a page changes.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# Tables of entries, figures and help texts in README.md and docs/, written anew.
generated: .venv/ready
	$(BIN)/python docs/generate.py

# One file of exact versions for everything, so that everybody has the same. Built again when C sources change.
.venv/ready: pyproject.toml setup.py constraints.txt $(wildcard audiospec/compiled/source/*)
	$(PYTHON) -c 'import sys; sys.exit("audiospec needs Python 3.11 to 3.13: make PYTHON=python3.12 ...") if not (3, 11) <= sys.version_info < (3, 14) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	# Its weights are read, its code is not; it asks for TensorFlow and a numpy of 2019.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps musicnn==0.1.0
	@$(BIN)/python -c 'from audiospec.compiled import library; print("Compiled kernels:", library.reason_missing() or "built")'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info audiospec/compiled/*.so demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .numba_cache
