# make demo    installs everything, then 12 pairs of 12 scenes in out/demo, with a report
# make test    installs everything, then runs the tests that every change must pass
# make test-unit   those that need no engine, Ray or network: a minute or two
# make test-all    the long versions too: every scene and every base where `make test` takes one of a kind
# make fuzz    FUZZ_MINUTES (10) of damaged input for every reader, and FUZZ_FLIPS (300) bits of every file turned
# make chaos   CHAOS_ROUNDS (300) data sets whose runs are killed, starved and lied to; CHAOS_SEED=N plays one again
# make image-check   both commands above on a fresh Debian 12, then both images built and run; see docker/README.md
# make install only the installation: the extras generate and train and the tools for testing, in .venv

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := out/demo

# A folder of local wheels that pip is told of holds a CPU build of torch; elsewhere uv picks the build for this machine.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
TORCH = --constraint <(echo 'torch==2.13.0+cpu')
else
TORCH = --torch-backend=auto
endif
SHELL := /bin/bash

# One thread of arithmetic in each process; which tests share a process, and in what order: tests/conftest.py.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4

.PHONY: install demo test test-unit test-all fuzz chaos docs lint clean image-check requirements

install: $(VENV)/.installed

# Compiled here once, a minute: where Python may not write bytecode, each process that imports torch would take 8 s more.
$(VENV)/.installed: pyproject.toml constraints.txt
	@docker/prepare.sh "$(PYTHON)" $(VENV)
	@command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@echo 'simgen: the packages are brought into $(VENV)'
	PATH="$(PATH):$(CURDIR)/$(BIN)" VIRTUAL_ENV=$(VENV) uv pip install --compile-bytecode -r pyproject.toml \
	  --extra generate --extra train --extra dev --constraint constraints.txt $(TORCH)
	PATH="$(PATH):$(CURDIR)/$(BIN)" VIRTUAL_ENV=$(VENV) uv pip install --no-deps --constraint constraints.txt kubric-nightly -e .
	@touch $@

demo: install
	rm -rf $(DEMO)  # made by other code, it would be refused
	$(BIN)/simgen generate demo --n 12 --out $(DEMO)
	$(BIN)/simgen verify $(DEMO)
	$(BIN)/simgen report $(DEMO)
	@echo 'Done: open $(DEMO)/report/index.html. To use the command simgen here: source $(BIN)/activate'

test: install
	$(PYTEST)

test-unit: install
	$(PYTEST) tests/unit -m 'not slow and not network'

test-all: install
	$(PYTEST) -m 'not cluster and not chaos'

# The suite runs the same readers on a few hundred inputs that are always the same; here they are new every time.
fuzz: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/test_readers.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/test_commands.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/test_damage.py

# With a fake maker, CHAOS_JOBS (3) rounds at once; then ten with Bullet and Blender, and assets that are poison.
chaos: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/chaos/chaos.py
ifndef CHAOS_SEED
	OMP_NUM_THREADS=1 $(BIN)/python tests/chaos/chaos.py --real --rounds 10 --jobs 1
	$(BIN)/python -m pytest -m chaos tests/chaos tests/ray
endif

# Pictures, costs and truth of docs/scenes.md come from pairs of every scene, and the costs in assets/costs.yaml.
docs: install
	rm -rf out/docs  # made by other code, it would be refused
	$(BIN)/simgen generate scene_gallery --n 141 --out out/docs
	$(BIN)/python -m simgen.dataset.scene_gallery out/docs docs assets

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

image-check:
	docker/check.sh

# What the images install, with hashes. The CPU build of torch comes from a folder of wheels that pip is told of.
LOCK = uv pip compile --quiet --generate-hashes --no-annotate --no-header --python-version 3.11 \
  --python-platform x86_64-manylinux_2_31 --constraint constraints.txt
requirements: install
	export PATH="$(PATH):$(CURDIR)/$(BIN)"; set -e; \
	$(LOCK) --output-file docker/requirements-build.txt <(echo 'hatchling>=1.27'); \
	$(LOCK) --output-file docker/requirements-render.txt --extra generate --extra cluster pyproject.toml; \
	$(LOCK) --no-deps <(echo kubric-nightly) >>docker/requirements-render.txt; \
	$(LOCK) --output-file docker/requirements-train.txt --extra train --constraint <(echo 'torch==2.13.0') pyproject.toml; \
	$(LOCK) --output-file docker/requirements-train-cpu.txt --extra train --constraint <(echo 'torch==2.13.0+cpu') pyproject.toml

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache
