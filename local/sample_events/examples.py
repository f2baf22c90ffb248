"""What the sample events are about: one account's key, one finished call, and a request for each path."""

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from multiconnection.keys.models import new_secret
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.usage import Ended, Usage, UsageSource

ACCOUNT = "acct_example"
MODEL = "deepseek-v4-flash"
MOMENT_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z

# A call that failed at its provider and cost nothing: what the usage event asks for.
EXAMPLE_ROW = UsageRow(
    account_id=ACCOUNT,
    hold_id="1xV7cOexampl",
    birth=0,
    hold=0,
    cost=0,
    overrun=0,
    key_id="examplek",
    model=MODEL,
    price_version=1,
    usage=Usage(),
    usage_source=UsageSource.NONE,
    ended=Ended.UPSTREAM_ERROR,
    decided_by="chat",
    created_ms=MOMENT_MS,
    endpoint="/v1/chat/completions",
)
# A call that ended while the usage table could not be written: its money is still held, its decision is queued.
QUEUED_HOLD = Hold(
    account_id=ACCOUNT,
    hold_id="1xV7cOqueued",
    amount=5_000_000,
    expires_s=4_000_000_000,
    key_id="examplek",
    capped=False,
    model_code="exa",
    price_version=1,
    # As the first call of its account.
    birth=1,
)
QUEUED_ROW = replace(
    EXAMPLE_ROW,
    hold_id=QUEUED_HOLD.hold_id,
    birth=QUEUED_HOLD.birth,
    hold=QUEUED_HOLD.amount,
    cost=34_520,
    usage=Usage(input=124, output=61),
    usage_source=UsageSource.UPSTREAM,
    ended=Ended.COMPLETE,
    provider="deepseek",
    attempts=1,
    duration_ms=1840,
)


@dataclass(frozen=True, slots=True)
class Example:
    """`parameters` fill the path's {names}; `body`, or `form` with a `file`, is that of the method which has one."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    file: tuple[str, str, bytes] | None = None
    public: bool = False


def _silence() -> bytes:
    """A tenth of a second of audio."""
    content = io.BytesIO()
    with wave.open(content, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(bytes(1600))
    return content.getvalue()


_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_SPOKEN = Example(form={"model": "whisper-1"}, file=("speech.wav", "audio/wav", _silence()))


EXAMPLES = {
    "/v1/chat/completions": Example(
        body={"model": MODEL, "messages": [{"role": "user", "content": "hello MultiConnection"}], "max_tokens": 64}
    ),
    "/v1/completions": Example(body={"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 16}),
    "/v1/audio/speech": Example(body={"model": "tts-1", "input": "hello MultiConnection", "voice": "alloy"}),
    "/v1/audio/transcriptions": _SPOKEN,
    "/v1/audio/translations": _SPOKEN,
    "/v1/images/generations": Example(body={"model": "dall-e-3", "prompt": "A cute baby sea otter", "n": 1}),
    "/v1/images/edits": Example(
        body={
            "model": "gpt-image-1-mini",
            "prompt": "A red hat, too",
            "images": [{"image_url": _PIXEL}],
        }
    ),
    "/v1/embeddings": Example(body={"model": "text-embedding-3-small", "input": "hello MultiConnection"}),
    "/v1/moderations": Example(body={"input": "hello MultiConnection"}),
    "/v1/uploads": Example(body={"filename": "speech.mp3", "content_type": "audio/mpeg", "bytes": 1_000_000}),
    "/v1/models": Example(),
    "/v1/models/{model+}": Example({"model": MODEL}),
    "/api/models": Example(public=True),
    "/v1/usage/{request_id}": Example({"request_id": f"req_{EXAMPLE_ROW.hold_id}"}),
    "/v1/balance": Example(),
    "/v1/{proxy+}": Example({"proxy": "no-such-endpoint"}),
    "/api/{proxy+}": Example({"proxy": "no-such-endpoint"}, public=True),
    "/api/admin/{proxy+}": Example({"proxy": "no-such-endpoint"}, public=True),
    "/api/usage.csv": Example(public=True),
    "/api/site": Example(public=True),
    "/": Example(public=True),
    "/{page+}": Example({"page": "docs"}, public=True),
}


class SameEachTime:
    """An `Rng` for a key that is written down anyway: it opens nothing until somebody stores it."""

    def below(self, bound: int) -> int:
        return bound // 7


def example_key() -> str:
    """A well-formed key: an account that has it gets the events' answers."""
    return new_secret(SameEachTime())
