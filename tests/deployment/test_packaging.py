"""Builds of layers and functions: what they contain, what they leave out, and what stops them."""

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.template_values import read_yaml
from tools.packaging.build import build_function, trim
from tools.packaging.bytecode import compile_tree, interpreter_for, uncompiled
from tools.packaging.check import LAYERS, LAYERS_BYTES_MAX, check, machine_of, package_bytes, table
from tools.packaging.sam import UNRELEASED, release_of, stamp
from tools.packaging.target import (
    DEPLOYED_PYTHON,
    BuildError,
    Target,
    configured_architecture,
    refuse_another_architecture,
    target_of,
)

ROOT = Path(__file__).parents[2]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
THIS = Target("x86_64", HERE, Path(sys.executable))
DEPLOYED = Target("arm64", DEPLOYED_PYTHON)
SHIPPED_BY_LAMBDA = {"boto3", "botocore"}
ELF = {"x86_64": 0x3E, "arm64": 0xB7, "sparc": 0x02}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def executable(path: Path, script: str) -> Path:
    write(path, f"#!/bin/sh\n{script}\n").chmod(0o755)
    return path


def files(root: Path) -> set[str]:
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def elf(path: Path, machine: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF".ljust(18, b"\0") + ELF[machine].to_bytes(2, "little"))


def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without any Python."""
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("overrides", "architecture"),
    [
        ('["Architecture=x86_64", "LogLevel=DEBUG"]', "x86_64"),
        ('"StageName=\\"prod\\" Architecture=\\"x86_64\\""', "x86_64"),
        ('["LogLevel=DEBUG"]', "arm64"),
    ],
    ids=["a person's list", "what sam --guided writes", "no word of it"],
)
def test_the_build_is_for_what_samconfig_deploys(tmp_path: Path, overrides: str, architecture: str) -> None:
    samconfig = write(tmp_path / "samconfig.toml", f"[default.deploy.parameters]\nparameter_overrides = {overrides}")
    assert configured_architecture(samconfig) == architecture
    assert target_of({}, samconfig) == Target(architecture, DEPLOYED_PYTHON)


def test_an_architecture_that_is_asked_for_wins(tmp_path: Path) -> None:
    assert target_of({"LAYER_ARCH": "x86_64"}, tmp_path / "none").architecture == "x86_64"
    with pytest.raises(BuildError, match="not 'riscv'"):
        target_of({"LAYER_ARCH": "riscv"}, tmp_path / "none")


def test_a_plain_build_for_what_is_not_deployed_is_refused(tmp_path: Path) -> None:
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text('[default.deploy.parameters]\nparameter_overrides = ["Architecture=x86_64"]\n')
    refuse_another_architecture(Target("x86_64", DEPLOYED_PYTHON), samconfig)
    with pytest.raises(BuildError, match="--parameter-overrides Architecture=x86_64"):
        refuse_another_architecture(Target("arm64", DEPLOYED_PYTHON), samconfig)
    samconfig.write_text('[default.deploy.parameters]\nparameter_overrides = ["Architecture=arm64"]\n')
    for architecture in ("arm64", "x86_64"):
        refuse_another_architecture(Target(architecture, DEPLOYED_PYTHON), samconfig)


def test_a_build_for_an_interpreter_is_for_its_version(tmp_path: Path) -> None:
    env = {"LAYER_ARCH": "x86_64", "LAYER_INTERPRETER": sys.executable}
    assert target_of(env, tmp_path / "none") == THIS
    with pytest.raises(BuildError, match="no released Python"):
        target_of(env | {"LAYER_INTERPRETER": str(tmp_path / "python")}, tmp_path / "none")


def test_samconfig_explains_every_parameter_of_the_template() -> None:
    text = (ROOT / "samconfig.toml").read_text()
    parameters = read_yaml(ROOT / "template.yaml")["Parameters"]
    assert [name for name in parameters if not re.search(rf"^#   {name}\b", text, re.MULTILINE)] == []


def test_every_table_that_is_worth_it_is_protected_unless_a_parameter_says_otherwise() -> None:
    template = read_yaml(ROOT / "template.yaml")
    tables = {name: one for name, one in template["Resources"].items() if one["Type"] == "AWS::DynamoDB::Table"}
    protected = {name for name, one in tables.items() if "DeletionProtectionEnabled" in one["Properties"]}
    assert protected == tables.keys() - {"LimitsTable"}
    assert {str(tables[name]["Properties"]["DeletionProtectionEnabled"]) for name in protected} == {
        "{'Ref': 'DeletionProtection'}"
    }
    assert template["Parameters"]["DeletionProtection"]["Default"] == "true"


def test_what_is_behind_an_alias_is_published_with_every_release() -> None:
    functions = [each["Properties"] for each in read_yaml(ROOT / "template.yaml")["Resources"].values()]
    behind = [each for each in functions if "AutoPublishAlias" in each]
    assert len(behind) >= 5
    assert {each.get("AutoPublishAliasAllProperties") for each in behind} == {True}
    assert read_yaml(ROOT / "template.yaml")["Globals"]["Function"]["Environment"]["Variables"]["RELEASE"] == UNRELEASED


@pytest.mark.parametrize("changed", ["build/Layer/python/code.py", "samconfig.toml"])
def test_a_release_is_its_layers_and_its_parameters(tmp_path: Path, changed: str) -> None:
    write(tmp_path / "build/Layer/python/code.py", "one")
    template = write(tmp_path / "build/template.yaml", f"RELEASE: {UNRELEASED}")
    write(tmp_path / "samconfig.toml", "one")
    before = release_of(tmp_path / "build", tmp_path / "samconfig.toml")
    stamp(tmp_path / "build", before)
    assert template.read_text() == f"RELEASE: {before}"
    assert release_of(tmp_path / "build", tmp_path / "samconfig.toml") == before
    write(tmp_path / changed, "two")
    assert release_of(tmp_path / "build", tmp_path / "samconfig.toml") != before


def test_a_template_without_a_place_for_the_release_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "template.yaml")
    with pytest.raises(BuildError, match="RELEASE"):
        stamp(tmp_path, "abc")


def test_the_runtime_of_the_template_is_the_one_that_is_built_for() -> None:
    template = read_yaml(ROOT / "template.yaml")
    assert template["Globals"]["Function"]["Runtime"] == f"python{DEPLOYED_PYTHON}"
    layers = [one for one in template["Resources"].values() if one["Type"] == "AWS::Serverless::LayerVersion"]
    assert [layer["Properties"]["CompatibleRuntimes"] for layer in layers] == [[f"python{DEPLOYED_PYTHON}"]] * 3


def test_trimming_leaves_what_is_imported_and_what_importlib_reads(tmp_path: Path) -> None:
    kept = {"pack/core.py", "pack/core.so", "pack/data.json", "pack-1.dist-info/METADATA"}
    kept |= {"pack-1.dist-info/entry_points.txt", "pack-1.dist-info/licenses/LICENSE"}
    gone = {
        "bin/pack",
        "pack/core.c",
        "pack/core.pyx",
        "pack/core.pyi",
        "pack/tests/test_core.py",
        "pack/sub/test/a.py",
    }
    gone |= {"pack/__pycache__/core.pyc", "pack-1.dist-info/RECORD", "pack-1.dist-info/sboms/auditwheel.cdx.json"}
    for name in kept | gone:
        write(tmp_path / name)
    trim(tmp_path)
    assert files(tmp_path) == kept


def test_compiled_modules_are_never_checked_against_their_source(tmp_path: Path) -> None:
    trusted, checked = write(tmp_path / "a/trusted.py", "x = 1"), write(tmp_path / "b/checked.py", "x = 1")
    compile_tree(trusted.parent, Path(sys.executable), "/opt")
    assert uncompiled(trusted.parent, HERE) == []
    shutil.copytree(trusted.parent / "__pycache__", checked.parent / "__pycache__")
    assert uncompiled(tmp_path, HERE) == [checked]


def test_tracebacks_name_the_place_on_lambda(tmp_path: Path) -> None:
    compile_tree(write(tmp_path / "python/module.py", "x = 1").parents[1], Path(sys.executable), "/opt")
    [compiled] = tmp_path.rglob("*.pyc")
    assert b"/opt/python/module.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_what_does_not_compile_stops_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "broken.py", "def")
    with pytest.raises(BuildError, match="not everything compiles"):
        compile_tree(tmp_path, Path(sys.executable), "/opt")
    assert "SyntaxError" in "".join(capfd.readouterr())


def test_the_deployed_python_is_looked_for_on_the_path_and_at_pyenv(tmp_path: Path) -> None:
    says = 'echo "3.13 final"'
    # A shim of pyenv is on the path and does not run.
    executable(tmp_path / "bin/python3.13", "exit 127")
    assert interpreter_for(DEPLOYED, nowhere(tmp_path)) is None
    at_pyenv = executable(tmp_path / ".pyenv/versions/3.13.2/bin/python3.13", says)
    assert interpreter_for(DEPLOYED, nowhere(tmp_path)) == at_pyenv
    on_path = executable(tmp_path / "bin/python3.13", says)
    assert interpreter_for(DEPLOYED, nowhere(tmp_path)) == on_path
    named = executable(tmp_path / "mine", says)
    assert interpreter_for(DEPLOYED, nowhere(tmp_path) | {"PYTHON313": str(named)}) == named


@pytest.mark.parametrize("says", ["3.12 final", "3.13 candidate"])
def test_a_python_that_is_named_and_another_stops_the_build(tmp_path: Path, says: str) -> None:
    named = executable(tmp_path / "python", f'echo "{says}"')
    with pytest.raises(BuildError, match=r"PYTHON313: .* no released Python 3\.13"):
        interpreter_for(DEPLOYED, {"PYTHON313": str(named)})


def test_a_function_is_its_folder_with_bytecode(tmp_path: Path) -> None:
    artefact = tmp_path / "artefact"
    executable(tmp_path / "source/run.sh", "exec true")
    write(tmp_path / "source/app.py", "x = 1")
    write(tmp_path / "source/__pycache__/app.cpython-39.pyc")
    build_function(tmp_path / "source", artefact, THIS, os.environ)
    assert files(artefact) == {"app.py", "run.sh", f"__pycache__/app.cpython-{HERE.replace('.', '')}.pyc"}
    assert os.access(artefact / "run.sh", os.X_OK)


def test_without_the_deployed_python_the_build_says_what_that_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "source/app.py", "x = 1")
    env = nowhere(tmp_path)
    build_function(tmp_path / "source", tmp_path / "artefact", DEPLOYED, env)
    assert "no .pyc and cold starts are 4 to 5 times slower" in capsys.readouterr().out
    with pytest.raises(BuildError, match=r"No Python 3\.13 found"):
        build_function(tmp_path / "source", tmp_path / "again", DEPLOYED, env | {"CI_NO_SKIP": "1"})


def test_sizes_are_by_package_with_its_metadata(tmp_path: Path) -> None:
    write(tmp_path / "big/core.py", "x" * 900_000)
    write(tmp_path / "big-1.0.dist-info/METADATA", "x" * 100_000)
    write(tmp_path / "single.py", "x" * 1000)
    assert package_bytes(tmp_path) == {"big": 1_000_000, "single": 1000}
    assert table(tmp_path).splitlines() == ["    1.00 MB  big", "    0.00 MB  1 smaller ones"]


def test_an_extension_tells_its_machine(tmp_path: Path) -> None:
    for machine in ELF:
        elf(tmp_path / f"{machine}.so", machine)
    write(tmp_path / "text.so", "no extension at all, whatever its name says")
    assert machine_of(tmp_path / "arm64.so") == "arm64"
    assert machine_of(tmp_path / "x86_64.so") == "x86_64"
    assert machine_of(tmp_path / "sparc.so") is None
    assert machine_of(tmp_path / "text.so") is None


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for layer in LAYERS:
        write(tmp_path / layer / "python" / "module.py", "x = 1")
    compile_tree(tmp_path, Path(sys.executable), "/opt")
    return tmp_path


def test_a_sound_build_is_reported(built: Path) -> None:
    report = check(built, THIS, {})
    assert re.search(r"^Both layers: 0\.0 MB unzipped$", report, re.MULTILINE)


def test_a_build_without_a_layer_is_refused(built: Path) -> None:
    shutil.rmtree(built / LAYERS[0])
    with pytest.raises(BuildError, match=f"has no {LAYERS[0]}"):
        check(built, THIS, {})


def test_layers_that_are_too_large_together_are_refused(built: Path) -> None:
    for layer in LAYERS:
        with (built / layer / "python" / "data").open("wb") as sparse:
            sparse.truncate(LAYERS_BYTES_MAX // 2)
    with pytest.raises(BuildError, match=r"the layers have 80\.0 MB, more than 80"):
        check(built, THIS, {})


def test_a_copy_of_what_lambda_ships_is_refused(built: Path) -> None:
    (built / LAYERS[0] / "python" / "botocore").mkdir()
    with pytest.raises(BuildError, match="ships botocore"):
        check(built, THIS, {})


def test_extensions_of_another_architecture_are_refused(built: Path) -> None:
    elf(built / LAYERS[0] / "python" / "fast.so", "x86_64")
    with pytest.raises(BuildError, match=r"1 extensions are not for arm64, such as fast\.so"):
        check(built, Target("arm64", HERE), {"PATH": os.environ["PATH"]})


def test_modules_without_bytecode_are_refused(built: Path) -> None:
    write(built / LAYERS[1] / "python" / "late.py", "x = 1")
    with pytest.raises(BuildError, match=r"1 modules are not compiled .*late\.py"):
        check(built, THIS, {})


# Where the package has another name than what is imported.
PACKAGE_OF = {"jwt": "pyjwt"}


def test_the_layer_has_everything_that_the_functions_import() -> None:
    wanted = {PACKAGE_OF.get(name, name) for name in third_party_imports()} - SHIPPED_BY_LAMBDA
    assert wanted - locked("layer").keys() == set()


def test_the_layer_has_the_versions_that_run_locally_and_no_boto3() -> None:
    layer = locked("layer")
    assert layer.items() <= locked("runtime").items()
    assert not SHIPPED_BY_LAMBDA & layer.keys()


def third_party_imports() -> Iterator[str]:
    for folder in ("layers", "functions"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    names = [node.module]
                tops = {name.partition(".")[0] for name in names}
                yield from (top.replace("_", "-") for top in tops - sys.stdlib_module_names - {"multiconnection"})


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    pins = (line.split()[0] for line in lines if re.match(r"[a-z0-9]", line))
    return dict(pin.split("==") for pin in pins)


def test_a_parameter_in_json_that_a_shell_cut_short_is_refused_before_any_function_dies_of_it() -> None:
    parameters = read_yaml(ROOT / "template.yaml")["Parameters"]
    in_json = {name: spec for name, spec in parameters.items() if str(spec.get("Default", "")).startswith(("{", "["))}
    assert set(in_json) >= {"OrderRates", "BankDetails"}
    for name, spec in in_json.items():
        assert re.fullmatch(spec["AllowedPattern"], spec["Default"]), name
        assert not any(re.fullmatch(spec["AllowedPattern"], cut) for cut in ("{", "[{", "{USD:1")), name


def test_an_administrator_stays_when_another_address_becomes_the_first() -> None:
    first = read_yaml(ROOT / "template.yaml")["Resources"]["FirstAdmin"]
    assert (first["DeletionPolicy"], first["UpdateReplacePolicy"]) == ("Retain", "Retain")
