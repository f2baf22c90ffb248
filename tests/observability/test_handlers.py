"""Handlers as Lambda calls them: the context on every line, one metric a cold start, and no event in any log."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.metrics.provider import cold_start

from local.invocations import LocalContext
from multiconnection.bootstrap.handlers import observed, run, worker
from multiconnection.bootstrap.workers import shared_workers
from multiconnection.observability.logging import correlation
from tests.support.wire_world import ENVIRONMENT

CONTEXT = LocalContext("ModelsFunction", 15.0, aws_request_id="c6af9ac6")
log = logging.getLogger("multiconnection.any")


@pytest.fixture(autouse=True)
def _cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cold_start, "is_cold_start", True)
    yield
    logging.getLogger("multiconnection").setLevel("INFO")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_cold_start_is_counted_once_by_the_name_of_its_function(capsys: pytest.CaptureFixture[str]) -> None:
    handler = observed(lambda event, context: event)
    assert [handler(number, CONTEXT) for number in range(3)] == [0, 1, 2]
    [line] = lines(capsys.readouterr().err)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert (line["message"], line["ColdStart"], line["function_name"]) == ("cold_start", 1, "ModelsFunction")
    assert directive["Dimensions"] == [["function_name"]], "a service would be a dimension of its own"
    assert [metric["Name"] for metric in directive["Metrics"]] == ["ColdStart"]


def test_every_line_of_a_worker_has_lambdas_id_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    @worker
    def handler(event: object, context: object) -> str:
        log.warning("at work")
        return correlation()["request_id"]

    assert handler({}, CONTEXT) == "c6af9ac6"
    line = next(line for line in lines(capsys.readouterr().err) if line["message"] == "at work")
    assert (line["request_id"], line["function_request_id"]) == ("c6af9ac6", "c6af9ac6")
    assert (line["function_name"], line["level"]) == ("ModelsFunction", "WARNING")


def test_no_event_is_logged_whatever_the_environment_asks_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    observed(lambda event, context: None)({"body": "my prompt"}, CONTEXT)
    out, err = capfd.readouterr()
    assert "my prompt" not in out + err


def test_an_error_passes_and_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(event: object, context: object) -> None:
        raise ValueError("my prompt")

    with pytest.raises(ValueError, match="my prompt"):
        observed(broken)({}, CONTEXT)
    assert "my prompt" not in capsys.readouterr().err


def test_the_workers_of_a_process_are_built_once() -> None:
    shared_workers.cache_clear()
    try:
        assert shared_workers() is shared_workers()
        assert shared_workers.cache_info().misses == 1
    finally:
        shared_workers.cache_clear()


def test_a_process_has_one_event_loop_for_all_invocations() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run(loop()) is run(loop())
