"""The demo models: one line of description each, and their behaviour.

`demo-NAME` behaves so on every endpoint. `MODEL+NAME` does the same for a model whose own shape matters: `tts-1+cut`,
`dall-e-3+no-data`, `whisper-1+usage-huge`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from local.demo_upstream import dialects
from local.demo_upstream.dialects import Dialect, UsageRule, fixed_usage
from local.demo_upstream.wire import CANNED, Canned

FAIL_AFTER_CHUNKS = 3
BIG_TEXT = "x" * 6_000_000
HUGE = 10**15


class Ending(Enum):
    """The end of an answer on the wire."""

    DONE = auto()
    NO_DONE = auto()
    ERROR = auto()
    CUT = auto()
    EOF = auto()
    EMPTY = auto()
    ERROR_FIRST = auto()


class Quirk(Enum):
    """A defect in the data of an answer that is otherwise well."""

    NONE = auto()
    NO_DATA = auto()
    BLANK_ITEM = auto()
    BAD_BASE64 = auto()
    FEWER = auto()
    NOISE = auto()
    ALWAYS_FLOATS = auto()
    ALWAYS_BASE64 = auto()


@dataclass(frozen=True, slots=True)
class Profile:
    """The differences between a model and the well-behaved one."""

    summary: str
    canned: Canned | None = None
    usage: UsageRule = dialects.openai_usage
    dialect: Dialect = dialects.openai
    ending: Ending = Ending.DONE
    delay_ms: int = 0
    first_delay_ms: int = 0
    text: str = ""
    thinks: bool = False
    calls_tools: bool = False
    hangs: bool = False
    flaky: bool = False
    never_streams: bool = False
    torn: bool = False
    blank_lines: bool = False
    quirk: Quirk = Quirk.NONE


PROFILES: dict[str, Profile] = {
    "demo-chat": Profile("well-behaved"),
    "demo-slow": Profile("300 ms between chunks; an unstreamed answer takes as long", delay_ms=300),
    "demo-silent": Profile("40 s (or demo.first_delay_ms) of silence before the first event", first_delay_ms=40_000),
    "demo-error-500": Profile("500 server_error", CANNED["error-500"]),
    "demo-error-429": Profile("429 rate_limit_exceeded with Retry-After: 1", CANNED["error-429"]),
    "demo-error-400": Profile("400 about the parameter temperature", CANNED["error-400"]),
    "demo-error-401": Profile("401 invalid_api_key, as if the gateway's key were broken", CANNED["error-401"]),
    "demo-error-html": Profile("502 with an HTML page", CANNED["error-html"]),
    "demo-error-200": Profile("200 with an error object as JSON, also for a stream", CANNED["error-200"]),
    "demo-flaky": Profile("every odd request of the process is a 500, every even one is fine", flaky=True),
    "demo-fail-midstream": Profile("error event after 3 chunks, no [DONE]; unstreamed: 500", ending=Ending.ERROR),
    "demo-cut": Profile("drops the connection after 3 chunks; unstreamed: after half the body", ending=Ending.CUT),
    "demo-eof": Profile("ends cleanly after 3 chunks; unstreamed: half the JSON, cleanly", ending=Ending.EOF),
    "demo-first-event-error": Profile("200, first event is an error; unstreamed: 500", ending=Ending.ERROR_FIRST),
    "demo-empty": Profile("200 without any event; unstreamed: empty body", ending=Ending.EMPTY),
    "demo-no-usage": Profile("never reports usage", usage=dialects.no_usage),
    "demo-usage-twice": Profile("usage on the finish chunk and in a usage chunk", dialect=dialects.usage_twice),
    "demo-usage-zero": Profile("reports 0 tokens", usage=fixed_usage(0, 0, 0)),
    "demo-usage-huge": Profile("reports 10**15 prompt and completion tokens", usage=fixed_usage(HUGE, HUGE, 2 * HUGE)),
    "demo-usage-negative": Profile("reports negative tokens", usage=fixed_usage(-10, -20, -30)),
    "demo-usage-float": Profile("reports fractions of tokens", usage=fixed_usage(10.5, 20.25, 30.75)),
    "demo-usage-string": Profile("reports tokens as strings", usage=fixed_usage("10", "20", "30")),
    "demo-no-done": Profile("finish_reason, but no [DONE]", ending=Ending.NO_DONE),
    "demo-json-for-stream": Profile("answers a stream request with one JSON completion", never_streams=True),
    "demo-crlf": Profile("CRLF, comments, torn at awkward bytes", dialect=dialects.commented, torn=True),
    "demo-tools-raw": Profile(
        "calls tools whenever it has some; deltas without index, type, role; id and name on each",
        dialect=dialects.tools_raw,
        calls_tools=True,
    ),
    "demo-deepseek": Profile(
        "cache hit and miss tokens, reasoning_content, keep-alive comments; unstreamed: blank lines before the JSON",
        usage=dialects.deepseek_usage,
        dialect=dialects.deepseek,
        thinks=True,
        blank_lines=True,
    ),
    "demo-gemini": Profile(
        "cumulative usage on every chunk; 8 thinking tokens only in the total",
        usage=dialects.gemini_usage,
        dialect=dialects.gemini,
        thinks=True,
    ),
    "demo-groq": Profile("usage in x_groq of the finish chunk", dialect=dialects.groq),
    "demo-big-event": Profile(
        "one content event of 6 MB; images: noise, 3 bytes a pixel", text=BIG_TEXT, quirk=Quirk.NOISE
    ),
    "demo-hang": Profile("accepts and never answers until the client goes away", hangs=True),
    "demo-no-data": Profile("images and embeddings: an empty list of data", quirk=Quirk.NO_DATA),
    "demo-blank-item": Profile("images: items with neither b64_json nor url", quirk=Quirk.BLANK_ITEM),
    "demo-bad-base64": Profile("images and embeddings: base64 that is none", quirk=Quirk.BAD_BASE64),
    "demo-fewer": Profile("one image, embedding or completion fewer than asked for", quirk=Quirk.FEWER),
    "demo-always-floats": Profile("embeddings: lists of floats, also when base64 was asked", quirk=Quirk.ALWAYS_FLOATS),
    "demo-always-base64": Profile("embeddings: base64, also when floats were asked", quirk=Quirk.ALWAYS_BASE64),
}

BEHAVIOURS: dict[str, str] = {name: profile.summary for name, profile in PROFILES.items()}
_WELL = PROFILES["demo-chat"]


def profile_of(model: str) -> Profile:
    """The profile by the name, or by what follows its last plus sign; every other model is well-behaved."""
    found = PROFILES.get(model)
    if found is None and "+" in model:
        found = PROFILES.get("demo-" + model.rpartition("+")[2])
    return found or _WELL


def base_of(model: str) -> str:
    """The model without vendor and behaviour; empty where the name is only a behaviour."""
    if model in PROFILES:
        return ""
    base, plus, behaviour = model.rpartition("+")
    return (base if plus and "demo-" + behaviour in PROFILES else model).rpartition("/")[2]
