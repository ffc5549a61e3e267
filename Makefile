# make demo            a CT in, SEG and Structured Report back, on this machine, no server needed
# make demo CT=PATH    the same with a DICOM folder or a NIfTI file of your own
# make test            set-up, formatting, lint, types, import contracts, tests
# make tests WORKERS=4 the tests alone, in four processes at once
# make gpu-check       CUDA tests, CPU and CUDA reports compared, benchmarks, in under 8 minutes
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: demo test check tests gpu-check format peers clean

demo: $(STAMP)
	$(BIN)/osteonode demo $(if $(CT),--ct "$(CT)")

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(STAMP)-dev: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,openvino,radiomics,training]"
	touch $@

check: $(STAMP)-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# DCMTK, Orthanc, dicom3tools, Redis and PostgreSQL: real peers of the tests.
peers:
	sh tests/peers/install.sh

tests: $(STAMP)-dev peers
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test: check tests

# An interpreter that has PyTorch with CUDA and the dependencies: make gpu-check GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python
gpu-check:
	$(GPU_PYTHON) -m benchmarks.gpu_check $(if $(REHEARSE),--rehearse)

format: $(STAMP)-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
