"""What the demo upstream was asked, for tests to look at."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.demo_upstream.canned import Headers

SECRET_HEADERS = ("authorization", "api-key", "x-api-key")


class Stats:
    """Counts by model, and the last request."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.clients_gone: Counter[str] = Counter()
        self._last: tuple[str, dict[str, Any], Headers] | None = None

    def record(self, model: str, body: dict[str, Any], scope: Mapping[str, Any]) -> int:
        """Counts the request; returns its number among those for the model."""
        self.requests[model] += 1
        self._last = (scope["path"], body, scope["headers"])
        return self.requests[model]

    def report(self) -> dict[str, Any]:
        """The answer of `GET /_stats`."""
        return {
            "requests": dict(self.requests),
            "clients_gone": dict(self.clients_gone),
            "last_request": None if self._last is None else _told(*self._last),
        }

    def reset(self) -> None:
        """Forgets everything, the turn of demo-flaky too."""
        self.requests.clear()
        self.clients_gone.clear()
        self._last = None


def _told(path: str, body: dict[str, Any], headers: Headers) -> dict[str, Any]:
    return {"path": path, "body": body, "headers": _readable(headers)}


def _readable(headers: Headers) -> dict[str, str]:
    """Lower-cased names; a secret's value is only told to be there."""
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    secrets = {name: "present" for name in SECRET_HEADERS if name in found}
    return {"authorization": "absent", **found, **secrets}
