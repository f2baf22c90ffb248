"""The target of a build: Lambda's runtime on one architecture, or an interpreter of this machine (the emulator's)."""

import platform
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
ARCHITECTURE_DEFAULT = "arm64"
# The Runtime of template.yaml.
DEPLOYED_PYTHON = "3.13"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2], sys.version_info.releaselevel)"


class BuildError(RuntimeError):
    """The build failed or must not be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """`interpreter` is set when the build is for that interpreter and not for Lambda."""

    architecture: str
    python: str
    interpreter: Path | None = None


def target_of(env: Mapping[str, str], samconfig: Path) -> Target:
    """Target by LAYER_INTERPRETER (a path) or LAYER_ARCH, else the architecture that samconfig deploys.

    Raises BuildError.
    """
    architecture = env.get("LAYER_ARCH") or configured_architecture(samconfig)
    if architecture not in ARCHITECTURES:
        raise BuildError(f"the architecture is one of {', '.join(ARCHITECTURES)}, not {architecture!r}")
    named = env.get("LAYER_INTERPRETER")
    if not named:
        return Target(architecture, DEPLOYED_PYTHON)
    version = version_of(Path(named))
    if version is None:
        raise BuildError(f"LAYER_INTERPRETER: {named} is no released Python that runs")
    return Target(architecture, version, Path(named))


def for_this_machine() -> Target:
    """The deployed Python on this machine's processor: to run the built code here."""
    names = {machine: name for name, machine in ARCHITECTURES.items()}
    return Target(names.get(platform.machine(), platform.machine()), DEPLOYED_PYTHON)


def configured_architecture(samconfig: Path) -> str:
    """`Architecture=…` among the parameter_overrides of samconfig.toml, else the template's default."""
    if not samconfig.exists():
        return ARCHITECTURE_DEFAULT
    document = tomllib.loads(samconfig.read_text(encoding="utf-8"))
    overrides = document.get("default", {}).get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    # `sam deploy --guided` writes one string, people write a list.
    words = overrides.split() if isinstance(overrides, str) else [str(word) for word in overrides]
    found = [word.partition("=")[2].strip("\"'") for word in words if word.startswith("Architecture=")]
    return found[-1] if found else ARCHITECTURE_DEFAULT


def refuse_another_architecture(target: Target, samconfig: Path) -> None:
    """Raise BuildError for a plain `sam build`, of the template's default, when samconfig deploys something else.

    Another architecture that was asked for is built, for `sam local` on this machine.
    """
    deployed = configured_architecture(samconfig)
    if target.architecture == ARCHITECTURE_DEFAULT != deployed:
        raise BuildError(f"samconfig.toml deploys {deployed}: sam build --parameter-overrides Architecture={deployed}")


def version_of(interpreter: Path) -> str | None:
    """`3.13`; None for one that does not run and for a pre-release, whose bytecode the release would not read."""
    try:
        found = subprocess.run([interpreter, "-I", "-c", _VERSION], capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    version, _, level = found.stdout.strip().partition(" ")
    return version if found.returncode == 0 and level == "final" else None
