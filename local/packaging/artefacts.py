"""One artefact each: what `sam build` asks for by way of the Makefiles beside layers and functions."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from local.packaging.bytecode import compile_tree, interpreter_for, without_bytecode
from local.packaging.target import BuildError, Target
from local.packaging.trim import trim
from local.packaging.wheels import install

LAYER_ROOT = "/opt"
FUNCTION_ROOT = "/var/task"
_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "Makefile")


def build_dependencies(lock: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """Third-party packages, in `python/` as Lambda wants it."""
    packages = artefact / "python"
    install(lock, packages, target)
    trim(packages)
    _compile(artefact, LAYER_ROOT, target, env)


def build_package(source: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """Our own layer: `source` has a folder `python/`."""
    _copy(source, artefact)
    _compile(artefact, LAYER_ROOT, target, env)


def build_function(source: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """The function's folder as it is: what it imports is in the layers."""
    _copy(source, artefact)
    _compile(artefact, FUNCTION_ROOT, target, env)


def _copy(source: Path, artefact: Path) -> None:
    shutil.copytree(source, artefact, ignore=_LEFT_BEHIND, dirs_exist_ok=True)


def _compile(artefact: Path, shown_as: str, target: Target, env: Mapping[str, str]) -> None:
    interpreter = interpreter_for(target, env)
    if interpreter is not None:
        compile_tree(artefact, interpreter, shown_as)
    elif env.get("CI_NO_SKIP") == "1":
        raise BuildError(without_bytecode(target.python))
    else:
        # To standard output: sam shows a build's standard error only when it fails.
        print(f"WARNING: {without_bytecode(target.python)}", flush=True)
