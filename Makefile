# `make demo` and `make test` are all that a fresh machine needs; both build .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
INSTALL := $(if $(shell command -v uv),uv pip install --python $(BIN)/python,pip install)

.PHONY: demo test audits faults bench gpu lint format docs clean

demo: .venv/installed
	snakemake --cores all --rerun-incomplete
	@echo "Report: results/demo/report/index.html"

test: .venv/installed
	pytest -n 2 --dist loadfile --ignore tests/audit

# Whole audits of generated and real videos through Snakemake, and every command that the documentation shows.
audits: .venv/installed
	pytest -n 2 --dist loadfile tests/audit

# What breaks on purpose: minutes of killed processes and full disks. Some of it needs root, for a small disk.
faults: .venv/installed
	STEPAUDIT_WRITE_FAULTS=1 pytest -p no:cacheprovider tests/faults/injected.py

bench: .venv/installed
	python -m benchmarks

# Eight minutes on one large GPU; needs torch and torchvision alone. Writes results/gpu/gpu.md and gpu.json.
gpu:
	timeout 480 $(PYTHON) -m benchmarks.gpu

lint: .venv/installed
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow

format: .venv/installed
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

docs: .venv/installed
	python -m docs.reference.documentation

# An environment that is there already keeps its PyTorch, such as the small build without CUDA.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .snakemake results data
