"""What tells one deployment from the next: a published version stays as it is until this or a property changes.

SAM publishes a version when a property, the code or a layer of a function changes, but not when only the value of a
parameter does: its environment then is another one under the same references.
"""

import hashlib
from pathlib import Path

from local.packaging.target import BuildError

# `RELEASE` in template.yaml.
UNRELEASED = "unreleased"


def release_of(build_dir: Path, samconfig: Path) -> str:
    """One text for everything that a version is made of: code, layers, and the parameters in its environment."""
    template = build_dir / "template.yaml"
    files = [file for file in sorted(build_dir.rglob("*")) if file.is_file() and file != template]
    digests = [f"{file.relative_to(build_dir)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    parameters = samconfig.read_text(encoding="utf-8") if samconfig.exists() else ""
    return hashlib.sha256("".join([*digests, parameters]).encode()).hexdigest()


def stamp(build_dir: Path, release: str) -> None:
    """Into the built template. Raises BuildError when it has no place for it."""
    template = build_dir / "template.yaml"
    text = template.read_text(encoding="utf-8")
    if UNRELEASED not in text:
        raise BuildError(f"{template} has no RELEASE: {UNRELEASED}")
    template.write_text(text.replace(UNRELEASED, release), encoding="utf-8")
