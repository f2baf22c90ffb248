"""Running the SAM command line of this repository."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.packaging.target import BuildError, Target
from local.paths import ROOT

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
BUILD_DIR = ROOT / ".aws-sam" / "build"


def sam(arguments: Sequence[str], env: Mapping[str, str], *, quiet: bool = False) -> None:
    """Raises BuildError; with `quiet`, the output is only shown then."""
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
    """Layers and functions of template.yaml for the target. Raises BuildError."""
    arguments = ["build", "--parameter-overrides", f"Architecture={target.architecture}", "--build-dir", str(build_dir)]
    sam(arguments, {**os.environ, **_for_makefiles(target)}, quiet=quiet)


def _for_makefiles(target: Target) -> dict[str, str]:
    """What the Makefiles that `sam build` runs read; their Python needs pip and nothing else."""
    variables = {"LAYER_ARCH": target.architecture, "PYTHON": sys.executable}
    return variables | ({"LAYER_INTERPRETER": str(target.interpreter)} if target.interpreter else {})
