"""What `sam build` makes of this repository, imported by the deployed Python as Lambda would."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.template import load
from tests.integration.conftest import SHIPPED_BY_LAMBDA
from tools.packaging.bytecode import uncompiled
from tools.packaging.check import LAYERS, MEGABYTE, check, machine_of, tree_bytes
from tools.packaging.sam import sam
from tools.packaging.target import ARCHITECTURES, DEPLOYED_PYTHON, Target

ROOT = Path(__file__).parents[2]
FUNCTIONS = load(ROOT / "template.yaml").functions()
STREAMING = "ChatFunction"
# Half as much again as measured, so that a package that creeps in is seen.
EXPECTED_MB = {"DependenciesLayer": 110, "MultiConnectionLayer": 5}

# Tells what importing `app` loaded, and which of the modules had to be compiled from source.
PROBE = """
import json, sys
from importlib.machinery import SourceFileLoader
roots = sys.argv[1:]
sys.path[:0] = roots
compiled = []
to_code = SourceFileLoader.source_to_code
def noting(self, data, path, **options):
    compiled.append(path)
    return to_code(self, data, path, **options)
SourceFileLoader.source_to_code = noting
import app
origins = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({"compiled": compiled, "origins": origins, "version": sys.version_info[:2], "names": dir(app)}))
"""


def imported(function: str, build_dir: Path, runtime: Path, python: Path) -> dict[str, Any]:
    roots = [build_dir / function, *(build_dir / layer / "python" for layer in LAYERS), runtime]
    # Without site-packages, environment and writing: /var/task and /opt are read-only.
    command = [str(python), "-I", "-S", "-B", "-c", PROBE, *map(str, roots)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_plain_build_has_the_extensions_of_the_architecture_that_it_is_given(
    architecture: str, tmp_path: Path
) -> None:
    """As the owner types it: no make, and no variable that tells the Makefiles."""
    sam(
        ["build", LAYERS[0], "--parameter-overrides", f"Architecture={architecture}", "--build-dir", str(tmp_path)],
        {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        quiet=True,
    )
    extensions = list((tmp_path / LAYERS[0]).rglob("*.so"))
    assert len(extensions) > 10
    assert {machine_of(file) for file in extensions} == {architecture}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_entry_is_imported_from_the_artefact_alone(
    function: str, build_dir: Path, runtime: Path, python: Path
) -> None:
    found = imported(function, build_dir, runtime, python)
    assert ".".join(map(str, found["version"])) == DEPLOYED_PYTHON
    entry = "app" if FUNCTIONS[function].handler == "run.sh" else "handler"
    assert entry in found["names"]
    ours = Path(found["origins"]["multiconnection"])
    assert ours.is_relative_to(build_dir / "MultiConnectionLayer" / "python")
    # Powertools looks into the bare package of botocore, which the runtime has compiled and our stand-in has not.
    assert [path for path in found["compiled"] if not Path(path).is_relative_to(runtime)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_the_entry_loads_no_boto(function: str, build_dir: Path, runtime: Path, python: Path) -> None:
    loaded = imported(function, build_dir, runtime, python)["origins"].keys()
    # Powertools brings jmespath, and looks into the bare package of botocore.
    unwanted = {*SHIPPED_BY_LAMBDA} - {"botocore", "jmespath"}
    assert {name for name in loaded if name.partition(".")[0] in unwanted or name.startswith("botocore.")} == set()


def test_every_module_of_the_build_is_compiled_for_the_deployed_python(build_dir: Path) -> None:
    assert uncompiled(build_dir, DEPLOYED_PYTHON) == []
    foreign = [file.name for file in build_dir.rglob("*.pyc") if ".cpython-313." not in file.name]
    assert foreign == []


def test_the_build_passes_its_own_check(build_dir: Path, target: Target) -> None:
    assert "MB unzipped" in check(build_dir, target, os.environ)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_does_not_grow_unseen(layer: str, build_dir: Path) -> None:
    assert tree_bytes(build_dir / layer) < EXPECTED_MB[layer] * MEGABYTE


def test_a_function_is_nothing_but_its_folder(build_dir: Path) -> None:
    for name, spec in FUNCTIONS.items():
        source = {file.name for file in (ROOT / spec.code_uri).iterdir() if file.is_file()}
        assert {file.name for file in (build_dir / name).iterdir() if file.is_file()} == source
    assert os.access(build_dir / STREAMING / "run.sh", os.X_OK)
