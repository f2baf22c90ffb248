"""A client whose attempts are recorded, and what is noted down of an answer or a failure."""

import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import openai
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

Facts = dict[str, Any]
Answer = TypeVar("Answer")
TRIES_MAX = 20
WORDS: list[ChatCompletionMessageParam] = [{"role": "user", "content": "one two three"}]
WEATHER: list[ChatCompletionMessageParam] = [{"role": "user", "content": "use both tools for the weather"}]


class Target:
    """The gateway under test. `attempts` has the SDK's own retry number of each request since `reset`."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = config
        self.attempts: list[str | None] = []

    def reset(self) -> None:
        self.attempts = []

    def client(self, key: str = "api_key", url: str = "base_url", **options: Any) -> OpenAI:
        return OpenAI(
            base_url=self.config[url],
            api_key=self.config[key],
            http_client=openai.DefaultHttpxClient(event_hooks={"request": [self._note]}),
            **options,
        )

    def seen_upstream(self, call: Callable[[str], Answer]) -> tuple[Answer, Facts]:
        """The answer, and the request as the demo upstream got it; others call it too, hence the mark and the tries."""
        for _ in range(TRIES_MAX):
            mark = uuid.uuid4().hex
            answer = call(mark)
            with urllib.request.urlopen(f"{self.config['demo_url']}/_stats") as stats:  # noqa: S310 - our own server
                last: Facts = json.load(stats)["last_request"]
            if last["body"].get("user") == mark:
                return answer, last
        raise RuntimeError("somebody else was always faster")

    def failure(self, call: Callable[[], object]) -> Facts:
        """The exception of the SDK and how often it was tried; `class` is None when nothing was raised."""
        self.reset()
        try:
            call()
        except openai.OpenAIError as exc:
            return {**failure_facts(exc), "attempts": self.attempts}
        return {"class": None, "attempts": self.attempts}

    def _note(self, request: Any) -> None:
        self.attempts.append(request.headers.get("x-stainless-retry-count"))


def failure_facts(exc: Exception) -> Facts:
    """`details` is the error object of the body."""
    facts = {name: getattr(exc, name, None) for name in ("code", "type", "param", "request_id")}
    return {
        "class": type(exc).__name__,
        "status": getattr(exc, "status_code", None),
        "details": getattr(exc, "body", None),
        **facts,
    }
