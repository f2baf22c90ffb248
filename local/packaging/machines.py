"""For which machine a compiled extension is, read from its ELF header."""

from pathlib import Path

_ELF_MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}


def foreign_extensions(root: Path, architecture: str) -> list[Path]:
    """Shared objects that this architecture cannot load."""
    return [file for file in sorted(root.rglob("*.so")) if machine_of(file) != architecture]


def machine_of(file: Path) -> str | None:
    """`arm64` or `x86_64`; None for anything else."""
    with file.open("rb") as opened:
        header = opened.read(20)
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return None
    return _ELF_MACHINES.get(int.from_bytes(header[18:20], "little"))
