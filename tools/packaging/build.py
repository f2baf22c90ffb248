"""The artefacts that `sam build` asks for through the Makefiles of layers and functions: copied, trimmed, compiled."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.packaging.bytecode import compile_tree, interpreter_for, without_bytecode
from tools.packaging.target import ARCHITECTURES, BuildError, Target

LAYER_ROOT = "/opt"
FUNCTION_ROOT = "/var/task"
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "Makefile")
# python3.13 runs on Amazon Linux 2023, whose C library is newer than both tags require.
_PLATFORM_TAGS = ("manylinux2014", "manylinux_2_28")
_UNUSED_FOLDERS = frozenset(("__pycache__", "tests", "test"))
# Sources and headers of compiled extensions, and types for editors; uvloop alone ships 12 MB of C.
_UNUSED_SUFFIXES = frozenset((".c", ".cpp", ".h", ".hash", ".hpp", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx"))
# importlib.metadata reads versions and entry points; licences go where the code goes.
_KEPT_METADATA = ("METADATA", "entry_points.txt", "licenses", "LICENSE", "LICENCE", "COPYING", "NOTICE")


def build_dependencies(lock: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """Third-party packages, in `python/` as Lambda expects them. Raises BuildError."""
    packages = artefact / "python"
    install(lock, packages, target)
    trim(packages)
    _compile(artefact, LAYER_ROOT, target, env)


def build_package(source: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """Our own layer: `source` has a folder `python/`. Raises BuildError."""
    _copy(source, artefact)
    _compile(artefact, LAYER_ROOT, target, env)


def build_function(source: Path, artefact: Path, target: Target, env: Mapping[str, str]) -> None:
    """The function's folder as it is: what it imports is in the layers. Raises BuildError."""
    _copy(source, artefact)
    _compile(artefact, FUNCTION_ROOT, target, env)


def install(lock: Path, into: Path, target: Target) -> None:
    """Install the wheels whose hashes are in the lock file, for the target's platform, on any machine, without Docker.

    Raises BuildError.
    """
    command = [
        *(str(target.interpreter or sys.executable), "-m", "pip", "install"),
        *("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-warn-script-location"),
        # The lock is complete, so nothing is resolved; a package without a wheel is an error.
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(lock), "--target", str(into)),
        *_platform(target),
    ]
    if subprocess.run(command, check=False).returncode:
        raise BuildError(f"pip could not install {lock.name} for Python {target.python} on {target.architecture}")


def trim(packages: Path) -> None:
    """Remove what no function ever reads from a folder that pip installed into."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for folder in list(_unused_folders(packages)):
        shutil.rmtree(folder)
    for file in list(packages.rglob("*")):
        if file.is_file() and file.suffix in _UNUSED_SUFFIXES:
            file.unlink()
    for metadata in packages.glob("*.dist-info"):
        _trim_metadata(metadata)


def _platform(target: Target) -> list[str]:
    """pip's options for another platform; none when an interpreter of this machine installs for itself."""
    if target.interpreter:
        return []
    machine = ARCHITECTURES[target.architecture]
    tags = [part for tag in _PLATFORM_TAGS for part in ("--platform", f"{tag}_{machine}")]
    return [*tags, "--python-version", target.python, "--implementation", "cp"]


def _unused_folders(root: Path) -> Iterator[Path]:
    """The outermost ones only: what is inside goes with them."""
    for folder in root.iterdir():
        if not folder.is_dir():
            continue
        if folder.name in _UNUSED_FOLDERS:
            yield folder
        else:
            yield from _unused_folders(folder)


def _trim_metadata(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name.startswith(_KEPT_METADATA):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _copy(source: Path, artefact: Path) -> None:
    shutil.copytree(source, artefact, ignore=_NOT_COPIED, dirs_exist_ok=True)


def _compile(artefact: Path, shown_as: str, target: Target, env: Mapping[str, str]) -> None:
    interpreter = interpreter_for(target, env)
    if interpreter is not None:
        compile_tree(artefact, interpreter, shown_as)
    elif env.get("CI_NO_SKIP") == "1":
        raise BuildError(without_bytecode(target.python))
    else:
        # To standard output: sam shows a build's standard error only when it fails.
        print(f"WARNING: {without_bytecode(target.python)}", flush=True)
