"""Runs the SAM command line of this repository, and stamps the release into what it has built."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.paths import ROOT
from tools.packaging.target import BuildError, Target

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
BUILD_DIR = ROOT / ".aws-sam" / "build"
# `RELEASE` in template.yaml.
UNRELEASED = "unreleased"


def sam(arguments: Sequence[str], env: Mapping[str, str], *, quiet: bool = False) -> None:
    """Raises BuildError; with `quiet`, the output is shown only then."""
    done = subprocess.run(
        [SAM, *arguments],
        cwd=ROOT,
        env={**env, "SAM_CLI_TELEMETRY": "0"},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        check=False,
    )
    if done.returncode:
        output = (done.stdout or b"").decode(errors="replace")
        raise BuildError(f"sam {arguments[0]} failed\n{output}".rstrip())


def sam_build(target: Target, build_dir: Path = BUILD_DIR, *, quiet: bool = False) -> None:
    """Build the layers and functions of template.yaml for the target. Raises BuildError."""
    arguments = ["build", "--parameter-overrides", f"Architecture={target.architecture}", "--build-dir", str(build_dir)]
    sam(arguments, {**os.environ, **_for_makefiles(target)}, quiet=quiet)


def release_of(build_dir: Path, samconfig: Path) -> str:
    """A hash of everything that a version is made of: code, layers, and the parameters in its environment.

    SAM publishes a version when a property, the code or a layer of a function changes, but not when only the value of a
    parameter does, because the environment then has the same references.
    """
    files = [file for file in sorted(build_dir.rglob("*")) if file.is_file() and file.name != "template.yaml"]
    digests = [f"{file.relative_to(build_dir)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    parameters = samconfig.read_text(encoding="utf-8") if samconfig.exists() else ""
    return hashlib.sha256("".join([*digests, parameters]).encode()).hexdigest()


def stamp(build_dir: Path, release: str) -> None:
    """Set RELEASE in the built template. Raises BuildError when it has none."""
    template = build_dir / "template.yaml"
    text = template.read_text(encoding="utf-8")
    if UNRELEASED not in text:
        raise BuildError(f"{template} has no RELEASE: {UNRELEASED}")
    template.write_text(text.replace(UNRELEASED, release), encoding="utf-8")


def _for_makefiles(target: Target) -> dict[str, str]:
    """Variables that the Makefiles run by `sam build` read; their Python needs pip and nothing else."""
    variables = {"LAYER_ARCH": target.architecture, "PYTHON": sys.executable}
    return variables | ({"LAYER_INTERPRETER": str(target.interpreter)} if target.interpreter else {})
