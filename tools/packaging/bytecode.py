"""Bytecode of a built tree by the deployed Python, so that a cold start compiles nothing."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.packaging.target import BuildError, Target, version_of

_UNCHECKED_HASH = 0b01


def interpreter_for(target: Target, env: Mapping[str, str]) -> Path | None:
    """The target's own interpreter, $PYTHON313, python3.13 on the PATH, or pyenv's; None when there is none.

    Raises BuildError when $PYTHON313 names something else.
    """
    if target.interpreter:
        return target.interpreter
    variable = f"PYTHON{target.python.replace('.', '')}"
    if named := env.get(variable):
        if version_of(Path(named)) != target.python:
            raise BuildError(f"{variable}: {named} is no released Python {target.python} that runs")
        return Path(named)
    return next((found for found in _candidates(target.python, env) if version_of(found) == target.python), None)


def compile_tree(root: Path, interpreter: Path, shown_as: str) -> None:
    """Write `.pyc` files that are never checked against their source; tracebacks show paths below `shown_as`.

    Raises BuildError when a file does not compile.
    """
    options = ("-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", shown_as)
    if subprocess.run([interpreter, "-I", "-m", "compileall", *options, str(root)], check=False).returncode:
        raise BuildError(f"{root.name}: not everything compiles with {interpreter}")


def uncompiled(root: Path, python: str) -> list[Path]:
    """Modules that this Python would compile again at each cold start."""
    tag = f"cpython-{python.replace('.', '')}"
    return [source for source in sorted(root.rglob("*.py")) if not _is_trusted(source, tag)]


def without_bytecode(python: str) -> str:
    return (
        f"No Python {python} found: the build has no .pyc and cold starts are 4 to 5 times slower. "
        f"Install Python {python} or name one in PYTHON{python.replace('.', '')}."
    )


def _candidates(python: str, env: Mapping[str, str]) -> Iterator[Path]:
    if on_path := shutil.which(f"python{python}", path=env.get("PATH", os.defpath)):
        yield Path(on_path)
    # A shim on the PATH works only where pyenv has selected that version.
    pyenv = Path(env.get("PYENV_ROOT") or Path(env.get("HOME", "/")) / ".pyenv")
    yield from sorted((pyenv / "versions").glob(f"{python}.*/bin/python{python}"), reverse=True)


def _is_trusted(source: Path, tag: str) -> bool:
    compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
    if not compiled.is_file():
        return False
    with compiled.open("rb") as file:
        return int.from_bytes(file.read(8)[4:], "little") == _UNCHECKED_HASH
