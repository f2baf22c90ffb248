"""What the functions write about a call: ids on every line, one line of metrics, and nothing that is a secret."""

import asyncio
import json
import logging
import sys
import time
from typing import Any

import pytest

from multiconnection.observability.logging import (
    LineFormatter,
    LineHandler,
    begin_correlation,
    configure_logging,
    described,
    encoded,
    note_account,
)
from multiconnection.observability.metrics import Emf, LoggedAlarms, RequestMetrics
from tests.support.usage_rows import answered_context
from tests.support.wire_world import ACCOUNT, PROVIDER_KEY, wire_world

PROMPT = "the-secret-prompt-4711"
AWS_SECRET = "aws-secret-0815"
NEVER_RETRIEVED = "Task exception was never retrieved"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def metrics(text: str) -> list[dict[str, Any]]:
    return [line for line in lines(text) if "_aws" in line]


def published(line: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], Any]:
    """(metric, dimension values) → value, as CloudWatch would extract it; raises KeyError where it could not."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                assert all(isinstance(line[name], str) and line[name] for name in names)
                assert isinstance(line[metric["Name"]], int | float)
                found[metric["Name"], tuple(line[name] for name in names)] = line[metric["Name"]]
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_leaves_one_line_of_metrics(stream: bool, capsys: pytest.CaptureFixture[str]) -> None:
    async with wire_world() as world:
        response = await world.chat(stream=stream)
    assert response.status_code == 200
    [line] = metrics(capsys.readouterr().err)
    assert (line["request_id"], line["account_id"]) == (response.headers["x-request-id"], ACCOUNT)
    assert (line["route"], line["method"], line["status"]) == ("/v1/chat/completions", "POST", 200)
    assert (line["model"], line["provider"], line["ended"], line["streamed"]) == (
        "gpt-4.1",
        "openai",
        "complete",
        stream,
    )
    found = published(line)
    assert found["Calls", ()] == found["Calls", ("/v1/chat/completions",)] == 1
    assert (found["TokensIn", ()], found["TokensOut", ()]) == (11, 7)
    assert found["CostUsd", ()] == pytest.approx(11 * 2e-6 + 7 * 8e-6)
    assert found["UpstreamAnswers", ("openai",)] == 1
    assert 0 <= found["UpstreamLatency", ("openai",)] <= found["TimeToFirstByte", ("/v1/chat/completions",)] + 50
    assert not any(name == "Errors" for name, _ in found)


async def test_no_line_shows_a_key_or_a_prompt(capfd: pytest.CaptureFixture[str]) -> None:
    async with wire_world() as world:
        for stream in (False, True):
            assert (await world.chat(PROMPT, stream=stream)).status_code == 200
            world.provider.statuses = [500, 400]
            world.second.statuses = [500]
            await world.chat(PROMPT, stream=stream)
            world.provider.break_stream = True
            await world.chat(PROMPT, stream=stream)
            world.provider.break_stream = False
        await world.chat(PROMPT, model=PROMPT)
        await world.chat(PROMPT, temperature=PROMPT)
        await world.client.post("/v1/chat/completions", content=PROMPT, headers=world.headers)
        await world.client.get(f"/v1/models/{PROMPT}", headers=world.headers)
        await world.client.get(f"/{PROMPT}", headers=world.headers)
        await world.client.get("/v1/balance", headers={"authorization": f"Bearer {world.api_key[:-1]}~"})
        secrets = [world.api_key, world.api_key[8:], PROVIDER_KEY, AWS_SECRET, PROMPT, "the answer"]
    out, err = capfd.readouterr()
    written = lines(err)
    assert len(written) >= 12
    assert not [secret for secret in secrets if secret in out + err]
    assert all(line["request_id"].startswith("req_") for line in written)


async def test_an_exception_is_told_without_its_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError(PROMPT) from ValueError(PROMPT)

    async with wire_world() as world:
        assert (await world.chat()).status_code == 200
        monkeypatch.setattr(world.state().chat, "answer", broken)
        response = await world.chat()
    assert response.status_code == 500
    err = capsys.readouterr().err
    assert PROMPT not in err
    [line] = [line for line in lines(err) if "exception" in line]
    assert [cause["type"] for cause in line["exception"]] == ["RuntimeError", "ValueError"]
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["account_id"] == ACCOUNT
    assert published(metrics(err)[-1])["Errors", ("internal_error",)] == 1


async def test_a_provider_that_failed_is_told_and_the_one_that_answered_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with wire_world() as world:
        world.provider.statuses = [500]
        assert (await world.chat()).status_code == 200
    written = lines(capsys.readouterr().err)
    [failed] = [line for line in written if line["message"] == "upstream_failed"]
    assert (failed["provider"], failed["code"], failed["level"]) == ("openai", "upstream_error", "WARNING")
    [line] = [line for line in written if "_aws" in line]
    assert published(line)["UpstreamAnswers", ("openrouter",)] == 1


async def test_a_stream_that_broke_counts_as_an_error_of_its_provider(capsys: pytest.CaptureFixture[str]) -> None:
    async with wire_world() as world:
        world.provider.break_stream = True
        response = await world.chat(stream=True)
    assert response.status_code == 200
    written = lines(capsys.readouterr().err)
    [failed] = [line for line in written if line["message"] == "upstream_failed"]
    assert failed["provider"] == "openai"
    [line] = [line for line in written if "_aws" in line]
    assert published(line)["Errors", (failed["code"],)] == 1
    assert line["ended"] == "mid_stream_error"


async def test_a_codes_dimension_is_never_a_providers_invention(capsys: pytest.CaptureFixture[str]) -> None:
    async with wire_world() as world:
        world.provider.statuses = [400]
        response = await world.chat()
    assert response.json()["error"]["code"] == "oops"
    [line] = metrics(capsys.readouterr().err)
    assert published(line)["Errors", ("upstream_rejected",)] == 1
    assert published(line)["UpstreamAnswers", ("openai",)] == 1


@pytest.mark.parametrize(
    ("path", "route", "code"),
    [
        ("/v1/nothing", "unknown", "unknown_url"),
        ("/v1/balance", "/v1/balance", "api_key_required"),
        ("/v1/usage/req_x", "/v1/usage/{request_id}", "api_key_required"),
    ],
)
async def test_errors_are_counted_by_code_and_routes_by_template(
    path: str, route: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with wire_world() as world:
        await world.client.get(path)
    [line] = metrics(capsys.readouterr().err)
    assert published(line)["Errors", (code,)] == 1
    assert published(line)["Calls", (route,)] == 1
    assert "account_id" not in line


async def test_the_line_is_written_before_the_process_can_be_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    """Between the end of the answer and the line the loop gets no turn in which the answer could leave."""
    turns: list[str] = []
    async with wire_world() as world:
        app = world.client._transport.app  # type: ignore[attr-defined]

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                asyncio.get_running_loop().call_soon(lambda: turns.append(capsys.readouterr().err))

        async def receive() -> dict[str, Any]:
            body = json.dumps({"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}).encode()
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(name.encode(), value.encode()) for name, value in world.headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
        await app({**scope, "raw_path": scope["path"], "query_string": b"", "client": ("127.0.0.1", 1)}, receive, send)
        await asyncio.sleep(0)
    assert len(metrics(turns[0])) == 1


def test_alarms_are_counted_by_name_and_severity() -> None:
    written: list[str] = []
    alarms = LoggedAlarms(Emf("Test", written.append))
    begin_correlation("req_1")
    alarms.alarm("invariant_breached", account_id="a1", breaches=("held",))
    alarms.alarm("apply_deferred", account_id="a1", overrun=2**70)
    first, second = (json.loads(line) for line in written)
    assert published(first) == {("Alarms", ("critical",)): 1, ("Alarms", ("invariant_breached",)): 1}
    assert published(second) == {("Alarms", ("degraded",)): 1, ("Alarms", ("apply_deferred",)): 1}
    assert (first["level"], first["message"], first["request_id"]) == ("ERROR", "invariant_breached", "req_1")


async def test_ids_reach_the_tasks_of_their_request_and_no_other() -> None:
    async def one(number: str) -> dict[str, str]:
        begin_correlation(f"req_{number}")
        started = asyncio.create_task(told())
        note_account(f"a{number}")
        return await started

    async def told() -> dict[str, str]:
        await asyncio.sleep(0)
        record = logging.makeLogRecord({"msg": "x"})
        line = json.loads(LineFormatter().format(record))
        return {name: line[name] for name in ("request_id", "account_id")}

    first, second = await asyncio.gather(asyncio.create_task(one("1")), asyncio.create_task(one("2")))
    assert first == {"request_id": "req_1", "account_id": "a1"}
    assert second == {"request_id": "req_2", "account_id": "a2"}


@pytest.mark.parametrize("value", [2**70, "\ud800", {1, 2}, ValueError("x")])
def test_a_line_is_written_whatever_is_in_it(value: object) -> None:
    assert json.loads(encoded({"value": value}))
    assert encoded({"value": value}).count("\n") == 1


@pytest.mark.parametrize("where", ["message", "argument of a foreign line", "extra"])
def test_an_exception_shows_its_type_wherever_it_is_logged(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    handler, error = LineHandler(), ValueError(PROMPT)
    handler.setFormatter(LineFormatter())
    records: dict[str, dict[str, Any]] = {
        "message": {"name": "multiconnection.any", "msg": error},
        # As asyncio tells of a task whose exception nobody has fetched.
        "argument of a foreign line": {
            "name": "asyncio",
            "msg": f"Task exception was never retrieved\nfuture: {error!r}",
        },
        "extra": {"name": "multiconnection.any", "msg": "failed", "error": error},
    }
    handler.handle(logging.makeLogRecord({"exc_info": (type(error), error, None), **records[where]}))
    [line] = lines(capsys.readouterr().err)
    assert PROMPT not in str(line)
    assert "ValueError" in str(line)
    assert line["message"] in ("ValueError", "failed", NEVER_RETRIEVED)


def test_the_level_is_that_of_the_settings_and_foreign_handlers_get_our_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda passes everything on, and prints the messages of exceptions where it formats a line itself."""
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "DEBUG")
    lambdas = type("LambdaLoggerHandler", (logging.StreamHandler,), {"__module__": "awslambdaric.bootstrap"})(
        sys.stderr
    )
    monkeypatch.setattr(logging.getLogger(), "handlers", [lambdas])
    configure_logging("WARNING")
    try:
        logging.getLogger("multiconnection.any").info("not wanted")
        logging.getLogger("multiconnection.any").warning("ours")
        logging.getLogger("somebody").warning("theirs", exc_info=ValueError(PROMPT))
    finally:
        configure_logging("INFO")
    written = lines(capsys.readouterr().err)
    assert [(line["logger"], line["message"]) for line in written if line["message"] != "ours"] == [
        ("somebody", "theirs")
    ]
    assert len([line for line in written if line["message"] == "ours"]) == 1
    assert PROMPT not in str(written)


def test_causes_are_followed_once() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert [cause["type"] for cause in described(first)] == ["ValueError", "KeyError"]


def test_a_record_that_cannot_be_formatted_is_told_without_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    LineHandler().handle(logging.makeLogRecord({"msg": "%d", "args": (PROMPT,), "name": "somebody"}))
    [line] = lines(capsys.readouterr().err)
    assert (line["logger"], line["message"]) == ("somebody", "a line could not be written")


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer is being paid for too")
def test_the_line_of_a_call_costs_less_than_30_microseconds() -> None:
    """The best of several rounds, because other processes share this machine's caches."""
    metrics = RequestMetrics(Emf("Test", len))
    context = answered_context()
    begin_correlation("req_1")
    rounds = []
    for _ in range(15):
        began = time.process_time()
        for _ in range(400):
            metrics.call(context)
        rounds.append((time.process_time() - began) / 400 * 1e6)
    assert min(rounds) < 30, rounds
