"""What tells one deployment of the code from the next: published versions stay as they are until this changes.

SAM publishes a version when a function's own folder changes. Ours hardly ever do: the code is in the layers.
"""

import hashlib
from pathlib import Path

from local.packaging.target import BuildError

# `AutoPublishCodeSha256` in template.yaml.
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
        raise BuildError(f"{template} has no AutoPublishCodeSha256: {UNRELEASED}")
    template.write_text(text.replace(UNRELEASED, release), encoding="utf-8")
