"""A chat request understood: what it asks for, what it may cost, and what is refused because no bound holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from multiconnection.domain.bounds import (
    FORMAT_PREAMBLE_TOKENS,
    MEMBER_TOKENS,
    TOOL_TOKENS,
    TOOLS_PREAMBLE_TOKENS,
    CostBound,
    chat_cost_bound,
    chat_input_tokens_max,
    text_tokens_max,
)
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import ContextTooLong, ParameterUnsupported, RequestInvalid
from multiconnection.domain.parameters import CHAT, refuse_costly, refuse_unpriced_caching
from multiconnection.schemas.chat import ChatBody, Part

from .chat_estimate import prompt_tokens_typical
from .validation import invalid

TOOL_TYPES = ("function", "custom")
# A provider may run a tool of its own for any other member, whatever the `type`: Gemini does for `google_search`.
TOOL_MEMBERS = frozenset({"type", "function", "custom", "name", "description", "parameters", "strict", "cache_control"})
PART_TYPES = ("text", "refusal", "image_url")
IMAGE_SCHEMES = ("data:image/", "https://", "upload://")
_WANTED = {
    "chat": "`messages` to POST /v1/chat/completions",
    "speech": "`input` and `voice` instead of `messages`, here or to POST /v1/audio/speech",
    "image": "`prompt` to POST /v1/images/generations",
    "embedding": "`input` to POST /v1/embeddings",
    "transcription": "the file to POST /v1/audio/transcriptions",
    "moderation": "`input` to POST /v1/moderations",
}
_WITH_A_PREAMBLE = (
    "response_format",
    "reasoning",
    "reasoning_effort",
    "thinking",
    "enable_thinking",
    "prompt_mode",
    "safe_prompt",
)
# No part of the prompt: whoever follows the advice of a 402 and adds a limit must not be asked for more than before.
OUTPUT_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`text_*` are of the body without image data, counted once: a long prompt takes a while to look through.

    `output_limit` is None when the caller named none.
    """

    body: Mapping[str, Any]
    model: str
    stream: bool
    include_usage: bool
    choices: int
    output_limit: int | None
    text_bytes: int
    text_tokens_max: int
    text_tokens_typical: int
    preamble_tokens: int
    messages: int
    images: int
    parsed: ChatBody

    def prompt_tokens_max(self, model: Model) -> int:
        return chat_input_tokens_max(
            self.text_tokens_max,
            self.preamble_tokens + model.preamble_tokens,
            self.messages,
            self.images,
            model.image_tokens_max,
            model.context_window,
        )

    def prompt_tokens_estimate(self, model: Model) -> int:
        """A typical count, for rate limits and for answers without usage; never above the bound."""
        typical = self.text_tokens_typical + self.images * model.image_tokens_max
        return min(typical, self.prompt_tokens_max(model))

    def tokens_estimate(self, model: Model) -> int:
        """What the token limits count until the real usage is known: an open-ended answer counts when it has ended."""
        return self.prompt_tokens_estimate(model) + min(self.output_limit or 0, model.max_output_tokens)

    def cost_bound(self, model: Model, markup_basis_points: int) -> CostBound:
        """Bound of the call with the output the caller asked for, or the most the model can give."""
        wanted = model.max_output_tokens if self.output_limit is None else self.output_limit
        output = min(wanted, model.max_output_tokens)
        prompt = self.prompt_tokens_max(model)
        return chat_cost_bound(model.prices_for(prompt), prompt, output, self.choices, markup_basis_points)


def parse_chat_request(body: object) -> ChatRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = ChatBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    parts = [part for message in parsed.messages if isinstance(message.content, list) for part in message.content]
    images = sum(part.image_url is not None for part in parts)
    limits = [limit for limit in (parsed.max_tokens, parsed.max_completion_tokens) if limit]
    options = parsed.stream_options
    text = _bounded_text(body, images)
    return ChatRequest(
        body=body,
        model=parsed.model,
        stream=bool(parsed.stream),
        include_usage=bool(options and options.include_usage),
        choices=parsed.n or 1,
        output_limit=min(limits, default=None),
        text_bytes=len(text),
        text_tokens_max=text_tokens_max(text),
        text_tokens_typical=prompt_tokens_typical(body),
        preamble_tokens=_preamble_tokens(body),
        messages=len(parsed.messages),
        images=images,
        parsed=parsed,
    )


def wrong_kind(model: Model) -> RequestInvalid:
    """The error for a request that is not of the model's kind: it says what to send instead."""
    article = "an" if model.kind[0] in "aeiou" else "a"
    return RequestInvalid(f"`{model.id}` is {article} {model.kind} model: send {_WANTED[model.kind]}.", param="model")


def require_affordable_parameters(request: ChatRequest, model: Model) -> None:
    """Refuse what the hold cannot cover or the model cannot take; raises RequestInvalid kinds."""
    if model.kind != "chat":
        raise wrong_kind(model)
    parsed = request.parsed
    refuse_costly(CHAT, request.body, model)
    refuse_unpriced_caching(request.body)
    _require_thoughts_within(request, model)
    if set(parsed.modalities or ()) - {"text"}:
        raise ParameterUnsupported("Answers are text: other `modalities` are not offered.", param="modalities")
    for index, tool in enumerate(parsed.tools or ()):
        other = [tool.type] if tool.type not in TOOL_TYPES else [*request.body["tools"][index].keys() - TOOL_MEMBERS]
        if other:
            raise ParameterUnsupported(
                f"Server-side tools such as {min(other)[:64]!r} are not offered.", param=f"tools[{index}]"
            )
    for at, message in enumerate(parsed.messages):
        if message.audio:
            raise ParameterUnsupported("Earlier audio answers are not kept.", param=f"messages[{at}].audio")
        for position, part in enumerate(message.content if isinstance(message.content, list) else ()):
            _require_bounded_part(part, model, f"messages[{at}].content[{position}]")
    _require_room(request, model)


def _require_thoughts_within(request: ChatRequest, model: Model) -> None:
    """A budget for thoughts above the answer's limit would be spent by providers that count thoughts apart."""
    limit = model.max_output_tokens if request.output_limit is None else request.output_limit
    for param in ("thinking.budget_tokens", "reasoning.max_tokens", "thinking_budget"):
        name, _, member = param.partition(".")
        budget = request.body.get(name)
        if member:
            budget = budget.get(member) if isinstance(budget, dict) else None
        if isinstance(budget, int | float) and budget > limit:
            raise RequestInvalid(f"`{param}` is above the limit of the answer, {limit} tokens.", param=param)


def _require_bounded_part(part: Part, model: Model, where: str) -> None:
    if part.type not in PART_TYPES or part.file is not None or part.input_audio is not None:
        raise ParameterUnsupported(f"Content of type {part.type[:64]!r} is not offered for `{model.id}`.", param=where)
    if part.type != "image_url" and part.image_url is None:
        return
    if part.image_url is None or not part.image_url.url.startswith(IMAGE_SCHEMES):
        raise RequestInvalid("An image is an https://, data:image/ or upload:// URL.", param=f"{where}.image_url.url")
    if not model.image_tokens_max:
        raise RequestInvalid(f"`{model.id}` takes no images.", param=where)


def _require_room(request: ChatRequest, model: Model) -> None:
    """A prompt is surely too long when even one token for each eight bytes would not fit."""
    least = request.text_bytes // 8
    if model.context_window and least > model.context_window:
        raise ContextTooLong(
            f"This model's maximum context length is {model.context_window} tokens; "
            f"your messages have at least {least}.",
            param="messages",
        )


def _bounded_text(body: Mapping[str, Any], images: int) -> bytes:
    """The JSON whose bytes bound the input tokens; raises RequestInvalid when it is nested too deeply to be written.

    JSON escapes never hide a byte, but for one: the letter of an escaped CR and two combining marks are one character
    under NFKC. A space between them keeps the bound.
    """
    sent = {name: value for name, value in body.items() if name not in OUTPUT_LIMITS}
    try:
        text = orjson.dumps(_without_images(sent) if images else sent)
    except TypeError as exc:
        raise RequestInvalid("The JSON of your request is nested too deeply.") from exc
    return text.replace(b"\\r", b"\\r ")


def _preamble_tokens(body: Mapping[str, Any]) -> int:
    """Most tokens that a provider adds to what was sent: texts of its own, and tags where JSON has punctuation."""
    tools = [*(body.get("tools") or ()), *(body.get("functions") or ())]
    calls = [calls for message in body["messages"] if (calls := message.get("tool_calls"))]
    tokens = FORMAT_PREAMBLE_TOKENS if any(body.get(name) for name in _WITH_A_PREAMBLE) else 0
    if tools:
        tokens += TOOLS_PREAMBLE_TOKENS + TOOL_TOKENS * len(tools)
    if tools or calls:
        # `":` ends the name of a member, and that of one in the JSON of arguments, where it is escaped.
        tokens += MEMBER_TOKENS * orjson.dumps([tools, calls]).count(b'":')
    return tokens


def _without_images(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without the data of its images: the model's maximum for each bounds them. All else in a part counts."""
    messages = [
        message | {"content": [_without_url(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


def _without_url(part: dict[str, Any]) -> dict[str, Any]:
    image = part.get("image_url")
    return part | {"image_url": image | {"url": ""}} if isinstance(image, dict) else part
