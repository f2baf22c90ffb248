# MultiConnection: the commands of README.md. Everything is installed below this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
DEV_STAMP := $(VENV)/.dev
MINISTACK_STAMP := .tools/ministack/.installed
SAM_STAMP := .tools/sam/.installed
AUDIT_STAMP := .tools/audit/.installed
PIP := install --quiet --disable-pip-version-check --require-hashes --requirement

.PHONY: run test bench claims pictures audit reconcile build deploy sam-local deploy-local lock lint clean

run: $(RUN_STAMP) $(MINISTACK_STAMP) ## start everything on one machine
	@exec $(BIN)/python -m local run

test: $(DEV_STAMP) $(MINISTACK_STAMP) $(SAM_STAMP) $(AUDIT_STAMP) ## lint, types, import rules, unit, integration, end to end
	@$(BIN)/python -m tests

lint: $(DEV_STAMP) $(SAM_STAMP) ## the static part of the suite only
	@$(BIN)/python -m tests --static

bench: $(DEV_STAMP) $(MINISTACK_STAMP) $(SAM_STAMP) ## CPU per call, per stream and per cold start, beside the bare minimum
	@$(BIN)/python -m benchmarks

claims: $(DEV_STAMP) $(MINISTACK_STAMP) ## the figures of the README: concurrency, broken streams, approvals
	@$(BIN)/python -m tools.claims

pictures: $(DEV_STAMP) $(MINISTACK_STAMP) ## docs/images made anew; needs Chromium
	@$(BIN)/python -m tools.pictures

audit: $(AUDIT_STAMP) ## known vulnerabilities of what is deployed and of what runs locally, and a bill of materials, .aws-sam/sbom.json
	@mkdir -p .aws-sam
	@.tools/audit/bin/cyclonedx-py requirements requirements/layer.txt --output-file .aws-sam/sbom.json
	@for lock in layer runtime; do .tools/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/$$lock.txt || exit 1; done

reconcile: $(RUN_STAMP) $(MINISTACK_STAMP) ## recompute the local accounts from their rows; fails on drift
	@$(BIN)/python -m local reconcile

build: $(SAM_STAMP) ## layers and functions as they are deployed; ARCH=arm64 or x86_64
	@.tools/sam/bin/python -m tools.packaging all $(if $(ARCH),--arch $(ARCH))

deploy: $(RUN_STAMP) $(SAM_STAMP) ## build and deploy to AWS as samconfig.toml says; GUIDED=1 asks for the parameters first
	@.tools/sam/bin/python -m tools.packaging deploy $(if $(ARCH),--arch $(ARCH)) $(if $(GUIDED),--guided)

sam-local: $(RUN_STAMP) $(MINISTACK_STAMP) ## prepare `sam local invoke` against the running local stack
	@$(BIN)/python -m tools.sam_local

deploy-local: $(RUN_STAMP) $(MINISTACK_STAMP) $(SAM_STAMP) ## the same deployment onto a local AWS, with a key that works
	@exec $(BIN)/python -m tools.emulator.run

lock: ## resolve pyproject.toml again into requirements/*.txt
	@$(PYTHON) -m venv .tools/uv && .tools/uv/bin/python -m pip install --quiet uv
	@for extra in "runtime --extra local" "dev --extra local --extra dev"; do \
	  set -- $$extra; name=$$1; shift; \
	  .tools/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $$@ pyproject.toml --output-file requirements/$$name.txt || exit 1; done
	@for name in audit ministack openai-2 sam; do \
	  .tools/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done
	@.tools/uv/bin/uv pip compile --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.13 \
	  --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" requirements/layer.in --output-file requirements/layer.txt

clean: ## remove what was installed; the local state in .local stays
	rm -rf $(VENV) .tools tests/e2e/node/*/node_modules

$(VENV)/bin/python:
	@echo "Creating $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the runtime …"
	@$(BIN)/python -m pip $(PIP) requirements/runtime.txt
	@$(BIN)/python -c 'import site, pathlib; pathlib.Path(site.getsitepackages()[0], "multiconnection.pth").write_text("$(CURDIR)/layers/multiconnection/python\n")'
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUN_STAMP)
	@echo "Installing the tools of the test suite …"
	@$(BIN)/python -m pip $(PIP) requirements/dev.txt
	@touch $@

$(MINISTACK_STAMP): requirements/ministack.txt
	@echo "Installing the local AWS …"
	@$(PYTHON) -m venv .tools/ministack
	@.tools/ministack/bin/python -m pip $(PIP) requirements/ministack.txt
	@touch $@

# Without resolving: pip before 23.3 takes a pin of `boto3[crt]` for none of `boto3`.
$(SAM_STAMP): requirements/sam.txt
	@echo "Installing the SAM command line …"
	@$(PYTHON) -m venv .tools/sam
	@.tools/sam/bin/python -m pip $(PIP) requirements/sam.txt --no-deps
	@touch $@

$(AUDIT_STAMP): requirements/audit.txt
	@echo "Installing the audit of dependencies …"
	@$(PYTHON) -m venv .tools/audit
	@.tools/audit/bin/python -m pip $(PIP) requirements/audit.txt
	@touch $@
