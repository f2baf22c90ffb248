"""How large a built tree is, by package."""

from collections import Counter
from pathlib import Path

MEGABYTE = 1_000_000
_SHOWN_BYTES = MEGABYTE // 10


def tree_bytes(root: Path) -> int:
    """What Lambda counts: the sum of the files' lengths."""
    return sum(file.stat().st_size for file in root.rglob("*") if file.is_file())


def package_bytes(packages: Path) -> dict[str, int]:
    """Largest first; a package's metadata counts with it."""
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
