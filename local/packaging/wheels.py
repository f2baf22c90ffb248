"""Installing the locked packages of a layer as wheels of the target's platform, on any machine, without Docker."""

import subprocess
import sys
from pathlib import Path

from local.packaging.target import ARCHITECTURES, BuildError, Target

# python3.13 runs on Amazon Linux 2023, whose C library is newer than both tags ask for.
_TAGS = ("manylinux2014", "manylinux_2_28")


def install(lock: Path, into: Path, target: Target) -> None:
    """Exactly the files whose hashes are in the lock file. Raises BuildError."""
    command = [
        *(str(target.interpreter or sys.executable), "-m", "pip", "install"),
        *("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-warn-script-location"),
        # The lock is complete, so nothing is resolved; a package without a wheel is an error.
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(lock), "--target", str(into)),
        *_platform(target),
    ]
    if subprocess.run(command, check=False).returncode:
        raise BuildError(f"pip could not install {lock.name} for Python {target.python} on {target.architecture}")


def _platform(target: Target) -> list[str]:
    """Nothing when an interpreter of this machine installs for itself."""
    if target.interpreter:
        return []
    tags = [part for tag in _TAGS for part in ("--platform", f"{tag}_{ARCHITECTURES[target.architecture]}")]
    return [*tags, "--python-version", target.python, "--implementation", "cp"]
