"""A function's code for the sandbox: the built artefact where one can be had, else the source folders."""

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from typing import Any

from local.paths import ROOT, TEMPLATE
from local.template import load
from local.template_values import TemplateError, read_yaml
from tools.packaging.bytecode import interpreter_for
from tools.packaging.check import foreign_extensions
from tools.packaging.sam import BUILD_DIR, SAM, sam_build
from tools.packaging.target import DEPLOYED_PYTHON, BuildError, for_this_machine

PACKAGE = ROOT / "layers" / "multiconnection" / "python"
LOCK = ROOT / "requirements" / "layer.txt"
# Made here when `make build` has built for another machine, as it does for Lambda's arm64.
OWN_BUILD_DIR = ROOT / ".aws-sam" / "adapter"


class NotBuilt(Exception):
    """There is no artefact that could run here; the message says why."""


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """`layers` are the folders that make up /opt/python; `python` is the interpreter's command."""

    what: str
    task_root: Path
    handler: str
    layers: tuple[Path, ...]
    python: tuple[str, ...]


def from_source(function: str) -> FunctionCode:
    """With the packages and the interpreter of the running tests. `function` is the logical id."""
    what = f"the source folders, Python {platform.python_version()}"
    return FunctionCode(what, _source(function), "run.sh", (PACKAGE,), (sys.executable,))


def built(function: str) -> FunctionCode:
    """What `make build` left, or a build of the same for this machine. Raises NotBuilt."""
    try:
        return _built_in(BUILD_DIR, function)
    except NotBuilt as why:
        if not SAM.exists():
            raise
        try:
            return _built_in(OWN_BUILD_DIR, function)
        except NotBuilt:
            return _build(function, why)


def _build(function: str, why: NotBuilt) -> FunctionCode:
    try:
        sam_build(for_this_machine(), OWN_BUILD_DIR, quiet=True)
    except BuildError as exc:
        raise NotBuilt(f"{why}; and building for this machine failed: {exc}") from exc
    return _built_in(OWN_BUILD_DIR, function)


def _built_in(build_dir: Path, function: str) -> FunctionCode:
    """Without this machine's packages: `-S` leaves only the standard library and the layers. Raises NotBuilt."""
    template, where = build_dir / "template.yaml", build_dir.relative_to(ROOT)
    if not template.exists():
        raise NotBuilt(f"{where} is missing: run `make build`")
    try:
        task_root, handler, layers = _folders(build_dir, read_yaml(template), function)
    except (KeyError, TemplateError) as exc:
        raise NotBuilt(f"{template.relative_to(ROOT)} cannot be read: {exc!r}") from exc
    _require_current(template, _source(function), task_root, layers)
    target = for_this_machine()
    if any(foreign_extensions(layer, target.architecture) for layer in layers):
        raise NotBuilt(f"{where} is not built for {target.architecture}")
    python = interpreter_for(target, os.environ)
    if python is None:
        raise NotBuilt(f"Python {DEPLOYED_PYTHON} is not installed: set PYTHON{DEPLOYED_PYTHON.replace('.', '')}")
    what = f"the built artefact in {where}, Python {DEPLOYED_PYTHON} ({python})"
    return FunctionCode(what, task_root, handler, layers, (str(python), "-S"))


def _source(function: str) -> Path:
    return ROOT / load(TEMPLATE).functions()[function].code_uri


def _folders(build_dir: Path, template: dict[str, Any], function: str) -> tuple[Path, str, tuple[Path, ...]]:
    """Task root, handler, and each layer's python folder, in the order of the layers."""
    resources = template["Resources"]
    properties = resources[function]["Properties"]
    shared = template.get("Globals", {}).get("Function", {})
    references = [*shared.get("Layers", ()), *properties.get("Layers", ())]
    # The adapter's own layer is an ARN, not a Ref.
    names = [layer["Ref"] for layer in references if "Ref" in layer]
    layers = tuple(build_dir / resources[name]["Properties"]["ContentUri"] / "python" for name in names)
    return build_dir / properties["CodeUri"], properties["Handler"], layers


def _require_current(template: Path, source: Path, task_root: Path, layers: tuple[Path, ...]) -> None:
    """An artefact older than the source would pass or fail for code that nobody looks at."""
    changed = [LOCK] if LOCK.stat().st_mtime > template.stat().st_mtime else []
    for folder, copies in ((source, (task_root,)), (PACKAGE, layers)):
        changed += [
            path for path in _files(folder) if not any(_same(path, copy / path.relative_to(folder)) for copy in copies)
        ]
    if changed:
        raise NotBuilt(f"{changed[0].relative_to(ROOT)} has changed since the build: run `make build`")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and cmp(one, other, shallow=False)
