"""The real Lambda Web Adapter, built once from its crate into .tools/lambda-adapter."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from local.paths import ROOT

CRATE, VERSION = "lambda_web_adapter", "1.0.0-rc1"
FOLDER = ROOT / ".tools" / "lambda-adapter"
BINARY = FOLDER / "bin" / "lambda-adapter"
# What cargo says it installed; a folder of another version is built anew.
_RECEIPT = FOLDER / ".crates.toml"
_BUILD_TIMEOUT_S = 900.0


class AdapterBuildFailed(RuntimeError):
    """The message ends with the compiler's last lines."""


def missing() -> str | None:
    """Say why the adapter can not run here; None when it can."""
    if is_built() or (_cargo() is not None and shutil.which("cc") is not None):
        return None
    return "cargo or a C linker missing, for the Lambda Web Adapter: install rustup (Rust 1.84 or newer) and gcc"


def is_built() -> bool:
    return BINARY.exists() and _RECEIPT.exists() and f'"{CRATE} {VERSION} ' in _RECEIPT.read_text()


def lambda_adapter() -> Path:
    """The executable, built when it is not there yet: about a minute on two cores. Raises AdapterBuildFailed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("wb") as lock:
        # Several test processes may come here at once: the first one builds.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built():
            _build()
    return BINARY


def _build() -> None:
    command = [_cargo() or "cargo", "install", CRATE, "--version", VERSION, "--locked", "--root", str(FOLDER)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False)
    if built.returncode != 0:
        raise AdapterBuildFailed(f"{' '.join(command)}\n{built.stderr[-3000:]}")


def _cargo() -> str | None:
    """On the path, or where rustup puts it."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    return shutil.which("cargo") or shutil.which("cargo", path=home / "bin")
