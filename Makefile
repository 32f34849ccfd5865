# `make run` starts Forklore and `make test` tests it; both install first what is missing. `make help` lists the rest.
# Needs GNU Make 3.81 or newer and Python 3.11 or newer. Everything is installed below .venv, nothing is compiled.

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
PIP := $(PYTHON_IN_VENV) -m pip install --disable-pip-version-check --only-binary=:all:
# What pip is asked for as torch, for example TORCH='torch==2.11.0'; pip's own options may follow the name.
DEFAULT_TORCH := torch==2.13.0
ARGS :=

# One stamp a set, its name made from the content it stands for: a changed file installs again, nothing else does.
key = $(shell cat $(1) | cksum | tr ' ' '-')
RUNTIME := $(VENV)/.runtime-$(call key,requirements.txt requirements-embedded.txt)
TOOLS := $(VENV)/.tools-$(call key,requirements-test.txt)
TORCH_STAMP := $(VENV)/.torch$(if $(TORCH),-$(shell printf '%s' '$(TORCH)' | cksum | tr ' ' '-'))

# HOST and PORT count on the command line only: many shells export a HOST of their own.
ADDRESS := $(if $(findstring command,$(origin HOST)),--host '$(HOST)') $(if $(findstring command,$(origin PORT)),--port '$(PORT)')

# What works on the library alone serves no page and knows no address.
SERVED_AT = $(if $(filter check backup restore export,$(firstword $(ARGS))),,$(ADDRESS))

# Two installations at once would get into each other's way.
.NOTPARALLEL:
.PHONY: help run setup tools test bench lint format clean

help:
	@echo "make run     start the app; ARGS='--model FOLDER', PORT=7861; flags: make run ARGS=--help"
	@echo "make setup   install what the app needs; PYTHON=python3.12 and TORCH='torch==2.11.0' choose other versions"
	@echo "make test    run every test, browser included; ARGS='-m fast' runs a part"
	@echo "make bench   measure speed and memory; BENCH_QUICK=1 for a short look"
	@echo "make lint    check style and types, and look the pinned packages up among known vulnerabilities"
	@echo "make format  put the code into its standard form"
	@echo "make clean   remove what was installed here"

run: setup
	@$(PYTHON_IN_VENV) app.py $(SERVED_AT) $(ARGS)

setup: $(RUNTIME)

tools: $(TOOLS)

test: tools
	@CHROMIUM="$$($(PYTHON_IN_VENV) -m tests.support.chromium --install)" && export CHROMIUM && \
	  $(PYTHON_IN_VENV) -m pytest $(ARGS)

bench: tools
	@CHROMIUM="$$($(PYTHON_IN_VENV) -m tests.support.chromium --install)" && export CHROMIUM && \
	  $(PYTHON_IN_VENV) -m tests.benchmarks $(ARGS)

lint: tools
	@$(PYTHON_IN_VENV) -m ruff check .
	@$(PYTHON_IN_VENV) -m ruff format --check .
	@$(PYTHON_IN_VENV) -m mypy
	@$(PYTHON_IN_VENV) .ci/audit.py

format: tools
	@$(PYTHON_IN_VENV) -m ruff check --fix .
	@$(PYTHON_IN_VENV) -m ruff format .

clean:
	rm -rf $(VENV)

# A stamp is removed before its installation starts, so that an interrupted one is taken up again.
FAILED = { echo "Installing failed, see above. Once that is mended, the same command goes on from here." >&2; exit 1; }

$(RUNTIME): $(TORCH_STAMP)
	@echo "Installing what Forklore needs (once; about 2 GB on disk) ..."
	@rm -f $(VENV)/.runtime-*
	@$(PIP) -r requirements.txt || $(FAILED)
	@$(PIP) --no-deps -r requirements-embedded.txt || $(FAILED)
	@touch $@

$(TOOLS): $(RUNTIME)
	@rm -f $(VENV)/.tools-*
	@$(PIP) -r requirements-test.txt || $(FAILED)
	@touch $@

# torch comes first and by its exact version, so that no other package chooses one.
$(TORCH_STAMP): $(VENV)/.created
	@rm -f $(VENV)/.torch*
	@sh .ci/cuda-hint $(PYTHON_IN_VENV) $(or $(TORCH),$(DEFAULT_TORCH))
	@$(PIP) $(or $(TORCH),$(DEFAULT_TORCH)) || $(FAILED)
	@touch $(VENV)/.torch $@

# An environment whose Python has gone (an upgrade of the system, a moved home) is made anew.
ifneq ($(shell $(PYTHON_IN_VENV) -c '' 2>&1 || echo gone),)
.PHONY: $(VENV)/.created
endif

$(VENV)/.created:
	@sh .ci/make-venv $(VENV) "$(PYTHON)"
	@touch $@
