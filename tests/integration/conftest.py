"""One demo upstream for all of these tests, a gateway before it, and one build of what is deployed."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from local.demo_upstream.testing import demo_upstream
from tests.support.needs import cannot_run
from tests.support.served_gateway import ServedGateway, served_gateway
from tools.packaging.bytecode import interpreter_for
from tools.packaging.sam import sam_build
from tools.packaging.target import ARCHITECTURES, DEPLOYED_PYTHON, Target, for_this_machine

# What the runtime ships: boto3 and what it needs.
SHIPPED_BY_LAMBDA = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
async def gateway(base_url: str) -> AsyncIterator[ServedGateway]:
    async with served_gateway(base_url) as found:
        yield found


@pytest.fixture(scope="session")
def python() -> Path:
    found = interpreter_for(Target("x86_64", DEPLOYED_PYTHON), os.environ)
    if found is None:
        cannot_run(f"Python {DEPLOYED_PYTHON} missing: pyenv install {DEPLOYED_PYTHON}")
    return found


@pytest.fixture(scope="session")
def target() -> Target:
    """Lambda on this machine's architecture, so that the extensions can be loaded here."""
    found = for_this_machine()
    if sys.platform != "linux" or found.architecture not in ARCHITECTURES:
        pytest.skip("Lambda's extensions load on Linux only")
    return found


@pytest.fixture(scope="session")
def build_dir(target: Target, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sam build` makes, once for all tests."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    sam_build(target, folder, quiet=True)
    return folder


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that Lambda's runtime has beside the standard library, borrowed from the running tests."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in SHIPPED_BY_LAMBDA:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder
