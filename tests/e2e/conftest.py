"""The stacks that the end-to-end tests share, and the runs of the official SDKs against them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.support import media
from tests.e2e.support.customers import Customer, demo_customer, new_customer, new_key
from tests.e2e.support.sdks import SDKS, SdkRun, run_scenarios, wrong_key
from tests.e2e.support.stack import LocalStack

Runs = Mapping[str, Future[SdkRun]]
HERE = Path(__file__).parent
# Comments after 0.3 s of silence, its own deadline after 3 s; a catalog that changes while it runs, no bucket, and
# orders that expire.
HASTY = {
    "KEEP_ALIVE_S": "0.3",
    "FUNCTION_TIMEOUT_S": "5",
    "DEADLINE_MARGIN_S": "2",
    "CATALOG_CACHE_S": "0.1",
    "PAYLOAD_BUCKET": "no-such-bucket",
    "ORDER_TTL_S": "8",
    "BANK_DETAILS": '[{"label": "IBAN", "value": "DE00 1234 5678"}]',
}
# Beside those for chat, which the shipped catalog has.
MISBEHAVING = (
    *(f"gpt-image-1-mini+{behaviour}" for behaviour in ("no-data", "blank-item")),
    "dall-e-3+no-data",
    *(f"text-embedding-3-small+{behaviour}" for behaviour in ("always-floats", "always-base64")),
    *(f"text-embedding-3-small+{behaviour}" for behaviour in ("no-data", "fewer", "bad-base64")),
    *(f"text-embedding-3-small+{usage}" for usage in ("no-usage", "usage-huge", "usage-negative", "usage-string")),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one process when tests are distributed: each process would start stacks of its own."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """With every setting at its default."""
    with LocalStack(tmp_path_factory.mktemp("e2e") / "local") as running:
        yield running


@pytest.fixture(scope="session")
def hasty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("e2e-hasty") / "local", HASTY) as running:
        running.publish(*MISBEHAVING)
        yield running


@pytest.fixture(scope="session")
def demo(stack: LocalStack) -> Customer:
    return demo_customer(stack)


@pytest.fixture(scope="session")
def hasty(hasty_stack: LocalStack) -> Customer:
    return demo_customer(hasty_stack)


@pytest.fixture(scope="session")
def sdk_config(stack: LocalStack, demo: Customer, hasty: Customer) -> dict[str, str]:
    """Where the scenarios call, and with which keys."""
    return {
        "base_url": stack.base_url,
        "demo_url": stack.demo_url,
        "api_key": demo.api_key,
        "wrong_key": wrong_key(),
        "poor_key": new_customer(stack, "0.001").api_key,
        "limited_key": new_key(stack, demo.account_id, "--model", "demo-chat").api_key,
        "crowded_key": new_key(stack, demo.account_id, "--rpm", "1").api_key,
        "hasty_url": hasty.stack.base_url,
        "hasty_key": hasty.api_key,
        "foreign_upload": demo.upload(media.PICTURE, "image/png"),
        **media.in_config(),
    }


@pytest.fixture(scope="session")
def sdk_runs(request: pytest.FixtureRequest, sdk_config: dict[str, str], demo: Customer) -> Runs:
    """The runs of all SDKs that a selected test asks for, side by side: most of their time is waiting to retry."""
    wanted = sorted(set(filter(None, map(sdk_of, request.session.items))))
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        return {name: pool.submit(run_scenarios, name, sdk_config, demo) for name in wanted}


@pytest.fixture(scope="session", params=SDKS)
def sdk(request: pytest.FixtureRequest, sdk_runs: Runs) -> SdkRun:
    """All scenarios with one official SDK, run once; skips where its language is missing."""
    return sdk_runs[request.param].result()


def sdk_of(item: pytest.Item) -> str | None:
    found: str | None = item.callspec.params.get("sdk") if hasattr(item, "callspec") else None
    return found
