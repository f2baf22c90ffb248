"""What a finished build must be: within its size, for one architecture, compiled, without a copy of boto3."""

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.packaging.bytecode import interpreter_for, uncompiled, without_bytecode
from local.packaging.machines import foreign_extensions
from local.packaging.sizes import MEGABYTE, table, tree_bytes
from local.packaging.target import BuildError, Target

LAYERS = ("DependenciesLayer", "MultiConnectionLayer")
# Lambda takes 250 MB unzipped; a cold start reads what is loaded, so far less is wanted.
LAYERS_BYTES_MAX = 80 * MEGABYTE
_SHIPPED_BY_LAMBDA = ("boto3", "botocore", "s3transfer")


def check(build_dir: Path, target: Target, env: Mapping[str, str]) -> str:
    """The sizes as text. Raises BuildError with everything that is wrong."""
    roots = [build_dir / layer for layer in LAYERS]
    missing = [root.name for root in roots if not (root / "python").is_dir()]
    if missing:
        raise BuildError(f"{build_dir} has no {' and no '.join(missing)}")
    problems = list(_problems(build_dir, roots, target, env))
    if problems:
        raise BuildError("\n".join(problems))
    return _report(roots, target)


def _problems(build_dir: Path, roots: list[Path], target: Target, env: Mapping[str, str]) -> Iterator[str]:
    size = sum(map(tree_bytes, roots))
    if size > LAYERS_BYTES_MAX:
        yield f"the layers have {size / MEGABYTE:.1f} MB, more than {LAYERS_BYTES_MAX / MEGABYTE:.0f}"
    if copies := [name for root in roots for name in _SHIPPED_BY_LAMBDA if (root / "python" / name).exists()]:
        yield f"Lambda's runtime ships {', '.join(copies)}; a layer must not"
    # Extensions of an interpreter of this machine are whatever this machine loads.
    if not target.interpreter and (foreign := foreign_extensions(build_dir, target.architecture)):
        yield f"{len(foreign)} extensions are not for {target.architecture}, such as {foreign[0].name}"
    if interpreter_for(target, env) is None:
        if env.get("CI_NO_SKIP") == "1":
            yield without_bytecode(target.python)
    elif slow := uncompiled(build_dir, target.python):
        yield f"{len(slow)} modules are not compiled for Python {target.python}, such as {slow[0]}"


def _report(roots: list[Path], target: Target) -> str:
    where = f"this machine ({platform.machine()})" if target.interpreter else target.architecture
    lines = [f"Python {target.python} on {where}"]
    for root in roots:
        lines += [f"{root.name}: {tree_bytes(root) / MEGABYTE:.1f} MB", table(root / "python")]
    lines.append(f"Both layers: {sum(map(tree_bytes, roots)) / MEGABYTE:.1f} MB unzipped")
    return "\n".join(lines)
