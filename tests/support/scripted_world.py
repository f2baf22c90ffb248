"""Services with their real dialects over a ChatWorld, whose two providers answer with scripted replies."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

import orjson

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.catalog.models import Model, parse_model
from multiconnection.errors import GatewayError
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.errors import TransportFailure

from .chat_world import ChatWorld, Client, a_model
from .event_stream import without_comments
from .fake_http import FakeReply

SHIPPED = {
    entry["id"]: entry
    for entry in orjson.loads(files("multiconnection").joinpath("data", "catalog.json").read_bytes())["models"]
}
UPSTREAMS = [{"provider": "one", "model": "theirs-1"}, {"provider": "two", "model": "theirs-2"}]


def shipped(name: str, **changes: Any) -> Model:
    """A catalog entry as it is deployed, at the providers of the world."""
    return parse_model({**SHIPPED[name], "upstreams": UPSTREAMS, **changes})


@dataclass
class EventClient(Client):
    """A Client that reads named events."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of the events, each of one line and named as its data says."""
        found = []
        for block in without_comments(self.text).split(b"\n\n")[:-1]:
            name, data = block.split(b"\n")
            found.append(orjson.loads(data.removeprefix(b"data: ")))
            assert name == b"event: " + found[-1]["type"].encode()
        return found


C = TypeVar("C", bound=Client)


class ScriptedWorld(ChatWorld):
    """The chat model of all other tests beside `models`; providers answer with `replies` in order."""

    def __init__(
        self,
        *replies: FakeReply | TransportFailure,
        models: tuple[Model, ...],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(a_model(), *models, environment=environment)
        self.scripted = list(replies)
        self.http.replies = list(replies)

    async def ended(self, answering: Awaitable[object], client: C) -> C:
        """One call to its end, whatever the end is: a refusal, a body, or a stream in `received`."""
        try:
            answer = await answering
        except GatewayError as exc:
            client.refused = exc
            return client
        if isinstance(answer, StreamedAnswer):
            await answer.relay(client.send)
        elif isinstance(answer, Mapping):
            client.body = answer
        else:
            assert isinstance(answer, bytes)
            client.plain = answer
        return client

    async def settled_row(self, account_id: str = "a1") -> UsageRow:
        """As for chat; and no connection to a provider is left."""
        asked = [reply for reply in self.scripted if isinstance(reply, FakeReply) and reply not in self.http.replies]
        assert all(reply.closed for reply in asked)
        return await super().settled_row(account_id)
