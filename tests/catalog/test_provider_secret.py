"""Provider keys from Secrets Manager: fetched when first needed, renewed behind the calls' back, never lost."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from multiconnection.aws.secrets import SecretsManagerSource, SecretUnreadable
from multiconnection.catalog.models import Provider
from multiconnection.catalog.providers import REFRESH_S, RETRY_S, TRUSTED_S, ProviderDirectory, configured_providers
from multiconnection.config import Settings, SettingsError
from multiconnection.errors import NoAvailableUpstream
from tests.support.aws_http import aws_http
from tests.support.limit_world import HandClock
from tests.support.wire_world import ENVIRONMENT, SECRET_ARN, wire_world


@dataclass
class Alarmed:
    names: list[str] = field(default_factory=list)

    def alarm(self, name: str, **context: object) -> None:
        assert "sk-" not in str(context)
        self.names.append(name)


@dataclass
class Source:
    """Answers with `values` when `gate` is open; `failure` instead where there is one."""

    values: Mapping[str, str]
    failure: bool = False
    fetched: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self) -> Mapping[str, str]:
        self.fetched += 1
        await self.gate.wait()
        if self.failure:
            raise SecretUnreadable("GetSecretValue: HTTP 400")
        return self.values


@dataclass
class World:
    environment: Mapping[str, str] = field(default_factory=dict)
    source: Source = field(default_factory=lambda: Source({"OPENAI_API_KEY": "sk-one"}))
    clock: HandClock = field(default_factory=HandClock)
    alarmed: Alarmed = field(default_factory=Alarmed)

    def __post_init__(self) -> None:
        self.source.gate.set()
        settings = Settings.of({**ENVIRONMENT, **self.environment})

        def configure(secret: Mapping[str, str]) -> Mapping[str, Provider]:
            return configured_providers(settings.completed_by(secret))

        self.directory = ProviderDirectory(configure, self.source.fetch, self.clock, self.alarmed)

    @property
    def key(self) -> str | None:
        return self.directory["openai"].api_key

    async def turn(self) -> None:
        """Until a fetch in the background has ended."""
        if (loading := self.directory._loading) is not None:
            await loading


async def test_the_first_call_waits_for_the_secret() -> None:
    world = World()
    assert "openai" not in world.directory
    await asyncio.gather(*(world.directory.refresh() for _ in range(5)))
    assert (world.key, world.source.fetched) == ("sk-one", 1)
    assert "openai" in list(world.directory)
    assert len(world.directory) == len(list(world.directory))


async def test_a_new_key_takes_effect_behind_the_calls_back() -> None:
    world = World()
    await world.directory.refresh()
    world.source.values = {"OPENAI_API_KEY": "sk-two"}
    world.clock.at += REFRESH_S - 1
    await world.directory.refresh()
    assert world.source.fetched == 1
    world.clock.at += 1
    world.source.gate.clear()
    await world.directory.refresh()
    assert world.key == "sk-one"
    world.source.gate.set()
    await world.turn()
    assert (world.key, world.source.fetched) == ("sk-two", 2)


async def test_a_process_that_slept_for_days_asks_before_it_uses_a_key() -> None:
    world = World()
    await world.directory.refresh()
    world.source.values = {"OPENAI_API_KEY": "sk-two"}
    world.clock.at += TRUSTED_S
    await world.directory.refresh()
    assert world.key == "sk-two"


async def test_a_failure_keeps_the_old_key_and_alarms_only_when_it_lasts() -> None:
    world = World()
    await world.directory.refresh()
    world.source.failure = True
    world.clock.at += REFRESH_S
    await world.directory.refresh()
    await world.turn()
    assert (world.key, world.alarmed.names) == ("sk-one", [])
    await world.directory.refresh()
    assert world.source.fetched == 2
    world.clock.at += TRUSTED_S - REFRESH_S
    await world.directory.refresh()
    assert (world.key, world.alarmed.names) == ("sk-one", ["secret_unreadable"])
    world.source.failure, world.source.values = False, {"OPENAI_API_KEY": "sk-two"}
    world.clock.at += RETRY_S
    await world.directory.refresh()
    assert world.key == "sk-two"


async def test_without_any_copy_a_call_is_refused_and_may_be_retried() -> None:
    world = World()
    world.source.failure = True
    for expected in (1, 1, 2):
        with pytest.raises(NoAvailableUpstream) as caught:
            await world.directory.refresh()
        assert caught.value.retry_after_s == 2
        assert world.source.fetched == expected
        world.clock.at += RETRY_S / 2
    assert world.alarmed.names == ["secret_unreadable"] * 2


async def test_a_provider_that_was_taken_out_still_serves_the_calls_on_their_way() -> None:
    world = World()
    await world.directory.refresh()
    world.source.values = {}
    world.clock.at += TRUSTED_S
    await world.directory.refresh()
    assert "openai" not in world.directory
    assert world.key == "sk-one"


async def test_the_environment_wins_over_the_secret() -> None:
    world = World(
        {"OPENAI_API_KEY": "sk-own", "GROQ_API_KEY": ""}, Source({"OPENAI_API_KEY": "x", "GROQ_API_KEY": "g"})
    )
    assert world.key == "sk-own"
    await world.directory.refresh()
    assert (world.key, world.directory["groq"].api_key) == ("sk-own", "g")


async def test_a_key_that_no_header_can_carry_leaves_everything_as_it_was() -> None:
    world = World()
    await world.directory.refresh()
    world.source.values = {"OPENAI_API_KEY": "sk-a\nb"}
    world.clock.at += TRUSTED_S
    await world.directory.refresh()
    assert (world.key, world.alarmed.names) == ("sk-one", ["secret_unreadable"])


async def test_closing_ends_a_fetch() -> None:
    world = World()
    world.source.gate.clear()
    waiting = asyncio.create_task(world.directory.refresh())
    await asyncio.sleep(0)
    await world.directory.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"sk-not-json"),
        (200, b"[]"),
        (200, b'{"SecretBinary": "c2st"}'),
        (200, b'{"SecretString": "sk-plain"}'),
        (200, b'{"SecretString": "[\\"sk-list\\"]"}'),
        (200, b'{"SecretString": "{\\"OPENAI_API_KEY\\": {\\"sk\\": 1}}"}'),
        (400, b'{"__type": "com.amazonaws#ResourceNotFoundException", "Message": "sk-message"}'),
        (502, b"<html>sk-html</html>"),
    ],
)
async def test_whatever_is_no_secret_of_ours_is_unreadable_and_not_quoted(status: int, body: bytes) -> None:
    aws = aws_http(transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body)))
    with pytest.raises(SecretUnreadable) as caught:
        await SecretsManagerSource(aws, SECRET_ARN).fetch()
    told: list[BaseException] = []
    error: BaseException | None = caught.value
    while error is not None:
        told.append(error)
        error = error.__cause__ or error.__context__
    assert "sk-" not in "".join(f"{each!r} {vars(each)}" for each in told)


async def test_the_secret_is_asked_for_in_its_own_region() -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(200, json={"SecretString": '{"OPENAI_API_KEY": "sk-one"}'})

    aws = aws_http(transport=httpx.MockTransport(answer), region="us-east-1")
    assert await SecretsManagerSource(aws, SECRET_ARN).fetch() == {"OPENAI_API_KEY": "sk-one"}
    assert hosts == ["secretsmanager.eu-west-1.amazonaws.com"]


@pytest.mark.parametrize(
    "arn", ["providers", "arn:aws:ssm:eu-west-1:123456789012:parameter/x", "arn:aws:secretsmanager"]
)
def test_anything_but_a_secrets_arn_stops_the_start(arn: str) -> None:
    with pytest.raises(SettingsError, match="PROVIDER_SECRET_ARN"):
        Settings.of({**ENVIRONMENT, "PROVIDER_SECRET_ARN": arn})


async def test_a_call_uses_the_key_of_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with wire_world(secret={"OPENAI_API_KEY": "sk-from-secret"}) as world:
        for _ in range(2):
            assert (await world.chat()).status_code == 200
        assert world.provider.keys_seen == ["sk-from-secret"] * 2
        [(headers, body)] = world.aws.secret_requests
    assert json.loads(body) == {"SecretId": SECRET_ARN}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDTEST/")
    assert "/eu-west-1/secretsmanager/aws4_request" in headers["authorization"]


async def test_a_secret_that_may_not_be_read_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with wire_world(secret={}) as world:
        world.aws.secret_status = 400
        response = await world.chat()
        listed = await world.client.get("/v1/models", headers=world.headers)
    assert (response.status_code, listed.status_code) == (503, 503)
    assert response.json()["error"]["code"] == "no_available_upstream"
    assert response.headers["retry-after"] == "2"
