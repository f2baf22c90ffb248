"""Builds what is deployed: `make` runs `all` and `deploy`, the Makefiles of `sam build` the other commands."""

import argparse
import os
import secrets
import sys
from pathlib import Path

from local.paths import ROOT
from tools.packaging.build import build_dependencies, build_function, build_package
from tools.packaging.check import check
from tools.packaging.sam import BUILD_DIR, release_of, sam, sam_build, stamp
from tools.packaging.target import (
    ARCHITECTURES,
    BuildError,
    Target,
    configured_architecture,
    refuse_another_architecture,
    target_of,
)

SAMCONFIG = ROOT / "samconfig.toml"
LOCK = ROOT / "requirements" / "layer.txt"
_COPIED = {"package": build_package, "function": build_function}


def main() -> int:
    options = _parser().parse_args()
    architecture = {"LAYER_ARCH": options.arch} if options.arch else {}
    try:
        target = target_of({**os.environ, **architecture}, SAMCONFIG)
        if options.what == "all":
            _build(target)
        elif options.what == "deploy":
            _deploy(target, guided=options.guided)
        elif options.what == "dependencies":
            refuse_another_architecture(target, SAMCONFIG)
            build_dependencies(LOCK, options.artefact, target, os.environ)
        else:
            _COPIED[options.what](Path.cwd(), options.artefact, target, os.environ)
    except BuildError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.packaging", description=__doc__)
    parser.add_argument("what", choices=("all", "deploy", "dependencies", "package", "function"))
    parser.add_argument("artefact", nargs="?", type=Path, help="the folder to build into")
    parser.add_argument("--arch", choices=tuple(ARCHITECTURES))
    parser.add_argument("--guided", action="store_true", help="ask for the parameters and remember the answers")
    return parser


def _build(target: Target) -> None:
    sam_build(target)
    print(f"\n{check(BUILD_DIR, target, os.environ)}", flush=True)


def _deploy(target: Target, *, guided: bool) -> None:
    """Build, stamp, deploy."""
    if target.architecture != configured_architecture(SAMCONFIG):
        raise BuildError(f"samconfig.toml deploys another architecture: set Architecture={target.architecture} there")
    _build(target)
    # The answers are not known yet, so the release is random: it publishes them whatever they are.
    stamp(BUILD_DIR, secrets.token_hex(32) if guided else release_of(BUILD_DIR, SAMCONFIG))
    sam(["deploy", *(["--guided"] if guided else [])], os.environ)
    if target.architecture != configured_architecture(SAMCONFIG):
        raise BuildError("The layers just deployed are for the former Architecture: run `make deploy` again")


if __name__ == "__main__":
    sys.exit(main())
