"""Checks of a finished build: within its size, for one architecture, compiled, without a copy of boto3."""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.packaging.bytecode import interpreter_for, uncompiled, without_bytecode
from tools.packaging.target import BuildError, Target

LAYERS = ("DependenciesLayer", "MultiConnectionLayer")
MEGABYTE = 1_000_000
# Lambda takes 250 MB unzipped; a cold start reads what is loaded, so the limit here is far lower.
LAYERS_BYTES_MAX = 80 * MEGABYTE
_SHIPPED_BY_LAMBDA = ("boto3", "botocore", "s3transfer")
_SHOWN_BYTES = MEGABYTE // 10
_ELF_MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}


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


def tree_bytes(root: Path) -> int:
    """The size that Lambda counts: the sum of the files' lengths."""
    return sum(file.stat().st_size for file in root.rglob("*") if file.is_file())


def package_bytes(packages: Path) -> dict[str, int]:
    """Sizes by package, largest first; a package's metadata counts with it."""
    sizes: Counter[str] = Counter()
    for entry in packages.iterdir():
        name = entry.name.partition("-")[0] if entry.suffix == ".dist-info" else entry.stem
        sizes[name] += tree_bytes(entry) if entry.is_dir() else entry.stat().st_size
    return dict(sizes.most_common())


def table(packages: Path) -> str:
    """One line per package, the small ones together."""
    sizes = package_bytes(packages)
    shown = {name: size for name, size in sizes.items() if size >= _SHOWN_BYTES}
    rest = sum(sizes.values()) - sum(shown.values())
    rows = [*shown.items(), *([(f"{len(sizes) - len(shown)} smaller ones", rest)] if rest else [])]
    return "\n".join(f"  {size / MEGABYTE:6.2f} MB  {name}" for name, size in rows)


def foreign_extensions(root: Path, architecture: str) -> list[Path]:
    """Shared objects that this architecture cannot load."""
    return [file for file in sorted(root.rglob("*.so")) if machine_of(file) != architecture]


def machine_of(file: Path) -> str | None:
    """`arm64` or `x86_64` from the ELF header; None for anything else."""
    with file.open("rb") as opened:
        header = opened.read(20)
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return None
    return _ELF_MACHINES.get(int.from_bytes(header[18:20], "little"))


def _problems(build_dir: Path, roots: list[Path], target: Target, env: Mapping[str, str]) -> Iterator[str]:
    size = sum(map(tree_bytes, roots))
    if size > LAYERS_BYTES_MAX:
        yield f"the layers have {size / MEGABYTE:.1f} MB, more than {LAYERS_BYTES_MAX / MEGABYTE:.0f}"
    if copies := [name for root in roots for name in _SHIPPED_BY_LAMBDA if (root / "python" / name).exists()]:
        yield f"Lambda's runtime ships {', '.join(copies)}; a layer must not"
    # An interpreter of this machine installed extensions that load on this machine.
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
