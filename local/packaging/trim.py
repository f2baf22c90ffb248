"""Removing from installed packages what no function ever reads."""

import shutil
from collections.abc import Iterator
from pathlib import Path

_FOLDERS = frozenset(("__pycache__", "tests", "test"))
# Sources and headers of compiled extensions, and types for editors; uvloop alone ships 12 MB of C.
_SUFFIXES = frozenset((".c", ".cpp", ".h", ".hash", ".hpp", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx"))
# importlib.metadata reads versions and entry points; licences go where the code goes.
_KEPT_METADATA = ("METADATA", "entry_points.txt", "licenses", "LICENSE", "LICENCE", "COPYING", "NOTICE")


def trim(packages: Path) -> None:
    """`packages` is a folder that pip installed into."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for folder in list(_doomed_folders(packages)):
        shutil.rmtree(folder)
    for file in list(packages.rglob("*")):
        if file.is_file() and file.suffix in _SUFFIXES:
            file.unlink()
    for metadata in packages.glob("*.dist-info"):
        _trim_metadata(metadata)


def _doomed_folders(root: Path) -> Iterator[Path]:
    """The outermost ones only: what is inside goes with them."""
    for folder in root.iterdir():
        if not folder.is_dir():
            continue
        if folder.name in _FOLDERS:
            yield folder
        else:
            yield from _doomed_folders(folder)


def _trim_metadata(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name.startswith(_KEPT_METADATA):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
