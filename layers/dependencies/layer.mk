# Included by the Makefile of each architecture, which `sam build` runs in a copy of that folder. The folder's name is the
# architecture: it is what the template's ContentUri has of the parameter Architecture, however that was given.
FOLDER := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
ROOT := $(abspath $(FOLDER)/../../..)
PYTHON ?= python3

build-DependenciesLayer:
	@PYTHONPATH="$(ROOT)" $(PYTHON) -m tools.packaging dependencies "$(ARTIFACTS_DIR)" --arch $(notdir $(FOLDER))
