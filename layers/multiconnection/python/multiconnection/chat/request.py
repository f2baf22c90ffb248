"""Chat and legacy completions: what a request asks for, what it may cost, and what is refused for want of a bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from multiconnection.calls.requests import (
    TEXT_BYTES_STEP,
    TOKEN_BYTES_TYPICAL,
    Inputs,
    PricedCall,
    inputs_of,
    unread,
    wrong_kind,
)
from multiconnection.catalog.bounds import (
    FORMAT_PREAMBLE_TOKENS,
    MEMBER_TOKENS,
    TOOL_TOKENS,
    TOOLS_PREAMBLE_TOKENS,
    chat_cost_bound,
    chat_input_tokens_max,
    text_tokens_max,
)
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import CHAT, COMPLETIONS, refuse_costly, refuse_unpriced_caching
from multiconnection.errors import ContextTooLong, ParameterUnsupported, RequestInvalid
from multiconnection.usage import Usage
from multiconnection.web.body import Steps, at_once, json_object, validated
from multiconnection.web.json import utf8, utf8_length

from .schemas import MESSAGES_MAX, ChatMessages, ChatOptions, CompletionsBody

TOOL_TYPES = ("function", "custom")
# A provider may run a tool of its own for any other member, whatever the `type`: Gemini does for `google_search`.
TOOL_MEMBERS = frozenset({"type", "function", "custom", "name", "description", "parameters", "strict", "cache_control"})
PART_TYPES = ("text", "refusal", "image_url")
IMAGE_SCHEMES = ("data:image/", "https://", "upload://")
# No part of the prompt: a caller who follows the advice of a 402 and adds a limit must not be asked for more than
# before.
OUTPUT_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
# Validated in a few milliseconds.
MESSAGES_STEP = 1000
# The capability of models that take legacy completions, and OpenAI's own default for this endpoint.
LEGACY = "completions"
LEGACY_OUTPUT_LIMIT_DEFAULT = 16
# Role and separators of a message in the usual chat templates.
MESSAGE_TOKENS = 4
_WITH_A_PREAMBLE = (
    "response_format",
    "reasoning",
    "reasoning_effort",
    "thinking",
    "enable_thinking",
    "prompt_mode",
    "safe_prompt",
)
# Read by the model as the JSON that they are.
_AS_JSON = ("tools", "functions", "response_format")
# Says what a text is, or is counted as an image.
_UNREAD = frozenset({"role", "type", "id", "tool_call_id", "image_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall(PricedCall):
    """A chat or legacy completion on its way to its upstreams.

    `body` is the caller's JSON object, already validated, not yet rewritten. `prompt_tokens_estimate` stands in when
    no usage is reported. `legacy`: a text completion, whose choices hold a text instead of a message. `generated` are
    the choices that are made and paid for, where they are more than those that come back (`best_of`).
    """

    body: Mapping[str, Any]
    prompt_tokens_max: int
    prompt_tokens_estimate: int
    choices: int
    include_usage: bool
    legacy: bool = False
    generated: int = 0

    @property
    def output_tokens_max(self) -> int:
        """Output tokens of each choice that the hold covers; always sent upstream."""
        return self.bound.output_tokens

    @property
    def usage_max(self) -> Usage:
        """The most that the call can consume: a report of more is not believed."""
        made = self.output_tokens_max * max(self.choices, self.generated)
        return Usage(input=self.prompt_tokens_max, output=made)


@dataclass(frozen=True)
class ChatRequest:
    """A validated body of POST /v1/chat/completions.

    `text_*` are of the body without image data, each counted once and only when it is needed: a long prompt takes a
    while to look through, so every cheaper refusal comes first. `output_limit` is None when the caller named none;
    `parsed` is everything but the messages.
    """

    body: Mapping[str, Any]
    model: str
    stream: bool
    include_usage: bool
    choices: int
    output_limit: int | None
    messages: int
    images: int
    parsed: ChatOptions

    @cached_property
    def text(self) -> bytes:
        """Raises RequestInvalid for what no JSON can hold."""
        return _bounded_text(self.body, self.images)

    @cached_property
    def text_tokens_max(self) -> int:
        return text_tokens_max(self.text)

    @cached_property
    def text_tokens_typical(self) -> int:
        return prompt_tokens_typical(self.body)

    @cached_property
    def preamble_tokens(self) -> int:
        return _preamble_tokens(self.body)

    def counted(self, model: Model) -> Steps[None]:
        """Counts what `bind` needs, one thing a step where the text is long."""
        if len(self.text) <= TEXT_BYTES_STEP:
            return
        yield
        self.prompt_tokens_max(model)
        yield
        self.text_tokens_typical  # noqa: B018  (it is kept)
        yield

    def prompt_tokens_max(self, model: Model) -> int:
        """A text that fills the context window by its bytes alone is not looked at."""
        if 0 < model.context_window <= len(self.text):
            return model.context_window
        return chat_input_tokens_max(
            self.text_tokens_max,
            self.preamble_tokens + model.preamble_tokens,
            self.messages,
            self.images,
            model.image_tokens_max,
            model.context_window,
        )

    def bind(self, model: Model, markup_basis_points: int) -> ChatCall:
        """The call with the output that the caller asked for, or the most that the model can give.

        Its estimate of the prompt is typical and never above the bound; of the answer the token limits count only
        what the caller named: an open-ended answer counts when it has ended.
        """
        prompt = self.prompt_tokens_max(model)
        typical = min(self.text_tokens_typical + self.images * model.image_tokens_max, prompt)
        limit = model.max_output_tokens if self.output_limit is None else self.output_limit
        output = min(limit, model.max_output_tokens)
        prices = model.prices_for(prompt)
        return ChatCall(
            endpoint=CHAT,
            model=model,
            bound=chat_cost_bound(prices, prompt, output, self.choices, markup_basis_points),
            output_limit=self.output_limit,
            tokens_estimate=typical + (output if self.output_limit else 0),
            streamed=self.stream,
            body=self.body,
            prompt_tokens_max=prompt,
            prompt_tokens_estimate=typical,
            choices=self.choices,
            include_usage=self.include_usage,
        )


def parse_chat_request(body: object) -> ChatRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    return at_once(chat_request_steps(body))


def chat_request_steps(body: object) -> Steps[ChatRequest]:
    """`parse_chat_request` in steps of MESSAGES_STEP messages."""
    fields = json_object(body)
    parsed = validated(ChatOptions, fields)
    yield from _validated_messages(fields)
    messages = fields["messages"]
    images = sum(part.get("image_url") is not None for message in messages for part in _parts(message))
    limits = [limit for limit in (parsed.max_tokens, parsed.max_completion_tokens) if limit]
    options = parsed.stream_options
    return ChatRequest(
        body=fields,
        model=parsed.model,
        stream=bool(parsed.stream),
        include_usage=bool(options and options.include_usage),
        choices=parsed.n or 1,
        output_limit=min(limits, default=None),
        messages=len(messages),
        images=images,
        parsed=parsed,
    )


def _validated_messages(body: Mapping[str, Any]) -> Steps[None]:
    """Validates in steps. Pydantic's copy of a message takes many times its size, so it is dropped at once."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not MESSAGES_STEP < len(messages) <= MESSAGES_MAX:
        validated(ChatMessages, body)
        return
    for start in range(0, len(messages), MESSAGES_STEP):
        yield
        validated(ChatMessages, {"messages": messages[start : start + MESSAGES_STEP]}, first_item=start)


def _parts(message: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The parts of a validated message: none where its content is a text."""
    content = message.get("content")
    return content if isinstance(content, list) else ()


def is_thought(part: object) -> bool:
    """A part of an assistant's message that holds what it thought, as Mistral sends it."""
    return isinstance(part, dict) and part.get("type") == "thinking"


def require_affordable_parameters(request: ChatRequest, model: Model) -> None:
    """Refuses what the hold cannot cover or the model cannot take; raises RequestInvalid kinds."""
    if model.kind != "chat":
        raise wrong_kind(model)
    parsed = request.parsed
    refuse_costly(CHAT, request.body, model)
    _require_thoughts_within(request, model)
    if set(parsed.modalities or ()) - {"text"}:
        raise ParameterUnsupported("Answers are text: other `modalities` are not offered.", param="modalities")
    for index, tool in enumerate(parsed.tools or ()):
        other = [tool.type] if tool.type not in TOOL_TYPES else [*request.body["tools"][index].keys() - TOOL_MEMBERS]
        if other:
            raise ParameterUnsupported(
                f"Server-side tools such as {min(other)[:64]!r} are not offered.", param=f"tools[{index}]"
            )
    for at, message in enumerate(request.body["messages"]):
        if message.get("audio"):
            raise ParameterUnsupported("Earlier audio answers are not kept.", param=f"messages[{at}].audio")
        for position, part in enumerate(_parts(message)):
            if not (message["role"] == "assistant" and is_thought(part)):
                _require_bounded_part(part, model, f"messages[{at}].content[{position}]")
    # The text is written here for the first time: what is above is cheaper.
    if b'"cache_control"' in request.text:
        refuse_unpriced_caching(request.body)
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


def _require_bounded_part(part: Mapping[str, Any], model: Model, where: str) -> None:
    kind, image = part["type"], part.get("image_url")
    if kind not in PART_TYPES or part.get("file") is not None or part.get("input_audio") is not None:
        raise ParameterUnsupported(f"Content of type {kind[:64]!r} is not offered for `{model.id}`.", param=where)
    if kind != "image_url" and image is None:
        return
    if image is None or not image["url"].startswith(IMAGE_SCHEMES):
        raise RequestInvalid("An image is an https://, data:image/ or upload:// URL.", param=f"{where}.image_url.url")
    if not model.image_tokens_max:
        raise RequestInvalid(f"`{model.id}` takes no images.", param=where)


def _require_room(request: ChatRequest, model: Model) -> None:
    """A prompt is surely too long when even one token for each eight bytes would not fit."""
    least = len(request.text) // 8
    if model.context_window and least > model.context_window:
        raise ContextTooLong(
            f"This model's maximum context length is {model.context_window} tokens; "
            f"your messages have at least {least}.",
            param="messages",
        )


def _bounded_text(body: Mapping[str, Any], images: int) -> bytes:
    """The JSON whose bytes bound the input tokens; raises RequestInvalid for what cannot be written.

    A provider reads the texts in it, and not the JSON around them. Each character of a text is in the JSON as itself
    or as an escape, which is longer; no character that can grow under NFKC is escaped; and the bound adds what each
    can gain while it gives no credit for what is composed, so the letter of an escape takes nothing from the mark
    behind it. Where texts are put together, what a mark adds to a character before it is less than the quotes, commas
    and names that stood between them.
    """
    sent = {name: value for name, value in body.items() if name not in OUTPUT_LIMITS}
    try:
        return orjson.dumps(_without_images(sent) if images else sent)
    except TypeError as exc:
        raise RequestInvalid("The JSON of your request cannot be written: it is nested too deeply.") from exc


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


@dataclass(frozen=True, slots=True)
class CompletionsRequest:
    """A validated body of POST /v1/completions.

    `choices` come back, `generated` are paid for: `best_of` makes more than it shows.
    """

    body: Mapping[str, Any]
    model: str
    stream: bool
    include_usage: bool
    choices: int
    generated: int
    output_limit: int
    prompts: Inputs

    def bind(self, model: Model, markup_basis_points: int) -> ChatCall:
        prompt = self.prompts.tokens_max(model)
        typical = min(self.prompts.tokens_typical(model), prompt)
        output = min(self.output_limit, model.max_output_tokens)
        return ChatCall(
            endpoint=COMPLETIONS,
            model=model,
            bound=chat_cost_bound(model.prices_for(prompt), prompt, output, self.generated, markup_basis_points),
            output_limit=self.output_limit,
            tokens_estimate=typical + output,
            streamed=self.stream,
            body=self.body,
            prompt_tokens_max=prompt,
            prompt_tokens_estimate=typical,
            choices=self.choices,
            include_usage=self.include_usage,
            legacy=True,
            generated=self.generated,
        )


def parse_completions_request(body: object) -> CompletionsRequest:
    """Raises RequestInvalid and its kinds."""
    fields = json_object(body)
    parsed = validated(CompletionsBody, fields)
    texts, tokens = inputs_of(parsed.prompt)
    suffix = [utf8(parsed.suffix)] if parsed.suffix else []
    prompts = len(texts) + len(tokens)
    choices = parsed.n or 1
    options = parsed.stream_options
    return CompletionsRequest(
        body=fields,
        model=parsed.model,
        stream=bool(parsed.stream),
        include_usage=bool(options and options.include_usage),
        choices=prompts * choices,
        generated=prompts * max(choices, parsed.best_of or 1),
        output_limit=LEGACY_OUTPUT_LIMIT_DEFAULT if parsed.max_tokens is None else parsed.max_tokens,
        prompts=Inputs([*texts, *suffix * prompts], tokens, instructions=unread(COMPLETIONS, fields)),
    )


def require_completions_model(request: CompletionsRequest, model: Model) -> None:
    """Raises RequestInvalid, which says where to go instead, or ParameterUnsupported for what no bound holds for."""
    if model.kind != "chat" or LEGACY not in model.capabilities:
        instead = "send `messages` to POST /v1/chat/completions" if model.kind == "chat" else "see GET /v1/models"
        raise RequestInvalid(f"`{model.id}` is not served by /v1/completions; {instead}.", param="model")
    refuse_costly(COMPLETIONS, request.body, model)


def prompt_tokens_typical(body: Mapping[str, Any]) -> int:
    """Typical tokens of a chat request without its images: the parts that a model reads, not the JSON around them."""
    messages = body["messages"]
    read = sum(len(orjson.dumps(body[name])) for name in _AS_JSON if body.get(name))
    read += sum(map(_message_bytes, messages))
    return -(-read // TOKEN_BYTES_TYPICAL) + MESSAGE_TOKENS * len(messages)


def _message_bytes(message: Mapping[str, Any]) -> int:
    """Almost every message is a role and a text, and there may be a hundred thousand of them."""
    content = message.get("content")
    if len(message) == len(("role", "content")) and isinstance(content, str) and "role" in message:
        return utf8_length(content)
    return _read_bytes(message)


def _read_bytes(value: object) -> int:
    if isinstance(value, str):
        return utf8_length(value)
    if isinstance(value, list):
        return sum(map(_read_bytes, value))
    if isinstance(value, dict):
        return sum(_read_bytes(part) for name, part in value.items() if name not in _UNREAD)
    return 0
