"""The fields of a request: which reach a provider, which are counted, dropped or refused, per endpoint and provider.

An allow-list: a field is forwarded only when its cost is known to be nothing beyond the hold, or is part of the hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from multiconnection.errors import ParameterUnsupported

if TYPE_CHECKING:
    from .models import Model

CHAT, COMPLETIONS = "chat.completions", "completions"
EMBEDDINGS, MODERATIONS = "embeddings", "moderations"
GENERATIONS, EDITS = "images.generations", "images.edits"
SPEECH, TRANSCRIPTIONS, TRANSLATIONS = "audio.speech", "audio.transcriptions", "audio.translations"
REFUSE, DROP, PASS = "refuse", "drop", "pass"
UNKNOWN_FIELDS = (REFUSE, DROP, PASS)
NAME_CHARACTERS_SHOWN = 64
# No API has so many; a body of megabytes of fields would take a while to judge, and other callers wait.
FIELDS_MAX = 1000
# Of an unknown field that is passed on: objects and lists that are looked into, and members of objects.
LOOKED_INTO_MAX = 10_000
_LIMIT = "it replaces the limit of the answer that was paid for"
_ANSWERS = "it makes more answers than are paid for"
_SEARCH = "searches are billed apart from tokens"
_ROUTING = "it chooses another model or host, at its own price"
_STATE = "it brings in text that is kept at the provider and not counted here"
_TEMPLATE = "it decides how many tokens the prompt becomes"
_HOST = "it controls the provider's server"
_PRICE = "it changes the price"


def _named(why: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, why)


# Refused at every provider, the operator's own included, wherever an endpoint does not list the name as its own.
COSTLY: Mapping[str, str] = {
    **_named(_LIMIT, "n_predict", "num_predict", "max_new_tokens", "max_output_tokens", "max_length", "max_gen_len"),
    **_named(_LIMIT, "max_generated_tokens", "max_tokens_to_sample", "max_tokens_to_generate", "max_decode_steps"),
    **_named(_LIMIT, "min_tokens", "min_new_tokens", "min_length", "min_output_tokens", "min_completion_tokens"),
    **_named(_ANSWERS, "best_of", "n_cmpl", "num_return_sequences", "candidate_count", "num_completions"),
    **_named(_ANSWERS, "num_beams", "beam_width", "use_beam_search", "num_generations"),
    **_named(_SEARCH, "web_search_options", "web_search", "enable_web_search", "search_parameters", "search_options"),
    **_named(_SEARCH, "enable_search", "search_settings", "plugins", "data_sources", "mcp_servers", "server_tools"),
    **_named(_SEARCH, "compound_custom", "google_search", "google_search_retrieval", "code_execution"),
    **_named(_ROUTING, "models", "provider", "route", "preset", "fallbacks", "model_list", "api_base", "base_url"),
    **_named(_STATE, "previous_response_id", "conversation", "cached_content", "session_params", "agent_id"),
    **_named(_STATE, "file_ids", "vector_store_ids", "container", "prompt_embeds", "context_management"),
    **_named(_TEMPLATE, "chat_template", "mm_processor_kwargs", "media_io_kwargs"),
    **_named(_HOST, "keep_alive", "num_ctx", "logits_processors", "custom_logit_processor", "kv_transfer_params"),
    **_named(_HOST, "bootstrap_host", "bootstrap_port", "bootstrap_room", "lora_path", "tokenize"),
    **_named(_PRICE, "background", "deferred", "prediction", "audio", "speed", "image_config", "performance"),
}
# Below an extension these mean what they mean above, but nothing bounds them there.
_COSTLY_BELOW = {
    **COSTLY,
    **_named(_LIMIT, "max_tokens", "max_completion_tokens"),
    **_named(_ANSWERS, "n"),
    **_named(_ROUTING, "model"),
}
# Values that ask for nothing, besides null, false, 0, "", [] and {}.
_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "best_of": (1,),
    "speed": ("standard",),
    "prompt_cache_retention": ("in_memory",),
    "service_tier": ("auto", "default"),
}


def base_name(name: str) -> str:
    """`a` of a form's `a[]` and `a[b]`."""
    return name.partition("[")[0]


def _plain(name: str) -> str:
    """Servers accept `n_predict`, `nPredict` and `n-predict` alike."""
    return base_name(name).lower().replace("_", "").replace("-", "")


_COSTLY_PLAIN = {_plain(name): why for name, why in _COSTLY_BELOW.items()}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that an endpoint knows.

    `free` cost nothing beyond the hold, the hold is made for `counted`, and nothing is lost with `dropped`.
    `refused` are this endpoint's own, beside COSTLY.
    """

    free: frozenset[str]
    counted: frozenset[str]
    dropped: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", self.free | self.counted | self.dropped)

    def why_refused(self, name: str) -> str | None:
        name = base_name(name)
        return None if name in self.known else self.refused.get(name) or COSTLY.get(name)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Choice of the next token, and what is shown of it: `max_tokens` bounds the answer whatever they are.
_SAMPLING = _names(
    "temperature top_p presence_penalty frequency_penalty logit_bias logprobs seed stop top_k top_a min_p typical_p "
    "repetition_penalty stop_token_ids ignore_eos skip_special_tokens include_stop_str_in_output "
    "guided_json guided_regex guided_choice guided_grammar structured_outputs stream stream_options service_tier"
)
_PERSON = _names("user safety_identifier")
# How much of the answer is thought: thoughts are output, and inside the limit.
_THINKING = _names(
    "reasoning_effort verbosity reasoning thinking enable_thinking thinking_budget include_reasoning reasoning_format "
    "separate_reasoning reasoning_split chat_template_kwargs chat_template_args"
)
# Spelled so by the AI SDK and by agents over it: providers ignore them or answer 400.
_CAMEL_CASE = _names("reasoningEffort reasoningSummary textVerbosity promptCacheKey")
_CACHING = _names("prompt_cache_key prompt_cache_retention prompt_cache_options cache_control")
_IMAGE = Fields(
    free=_PERSON
    | _names("background moderation output_format output_compression style response_format stream input_fidelity seed"),
    counted=_names("model prompt n size quality partial_images image images mask markup"),
    refused={
        **_named("frames of an animation have no price here", "frame_count", "frame_duration_ms"),
        **_named("another model works on it, at its own price", "svg", "prompt_rewriter"),
        **_named("its tokens have no bound", "complexity", "reasoning", "reasoning_effort", "tools"),
    },
)
_TRANSCRIPT = Fields(
    free=_names(
        "language response_format temperature stream include timestamp_granularities chunking_strategy languages"
    ),
    counted=_names("model file prompt keywords known_speaker_names known_speaker_references"),
)
ENDPOINTS: Mapping[str, Fields] = {
    CHAT: Fields(
        free=_SAMPLING
        | _PERSON
        | _THINKING
        | _CAMEL_CASE
        | _CACHING
        | _names(
            "top_logprobs metadata modalities moderation tool_choice parallel_tool_calls function_call usage session_id"
        ),
        counted=_names("model messages tools functions response_format n max_tokens max_completion_tokens"),
        # `input` and `voice` are read where the model speaks.
        dropped=_names("store input voice"),
    ),
    COMPLETIONS: Fields(
        free=_SAMPLING | _PERSON | _names("echo metadata response_format"),
        counted=_names("model prompt suffix n best_of max_tokens"),
        dropped=_names("store"),
        refused=_named("it belongs to POST /v1/chat/completions", "messages", "tools", "functions"),
    ),
    EMBEDDINGS: Fields(free=_PERSON | _names("encoding_format dimensions"), counted=_names("model input")),
    MODERATIONS: Fields(free=_PERSON, counted=_names("model input")),
    GENERATIONS: _IMAGE,
    EDITS: _IMAGE,
    SPEECH: Fields(
        free=_PERSON | _names("voice response_format stream_format speed"),
        counted=_names("model input instructions"),
    ),
    TRANSCRIPTIONS: _TRANSCRIPT,
    TRANSLATIONS: _TRANSCRIPT,
}
# Known objects whose members are looked through, as those of unknown fields are.
_OPEN = _names("chat_template_kwargs chat_template_args")


def asks_for_nothing(name: str, value: object) -> bool:
    """Null, false, 0, "", [] and {} are as if the field were absent, and so is the provider's own default."""
    return not value or any(value is not True and value == default for default in _DEFAULTS.get(name, ()))


def refuse_costly(endpoint: str, body: Mapping[str, Any], model: "Model") -> None:
    """Raises ParameterUnsupported for the first field whose cost no hold covers, or that the model does not take."""
    if len(body) > FIELDS_MAX:
        raise ParameterUnsupported(f"A request has at most {FIELDS_MAX} fields; yours has {len(body)}.")
    for name, value in body.items():
        if not asks_for_nothing(name, value) and (why := _why_refused(endpoint, name, model)):
            raise ParameterUnsupported(why, param=_shown(name))
        if name in _OPEN and (below := _costly_below(value)):
            raise _not_offered(name, *below)


def without_idle(endpoint: str, body: Mapping[str, Any], model: "Model") -> dict[str, Any]:
    """The body without the dropped fields, and without refused ones whose value asks for nothing.

    OpenAI takes `metadata` only beside `store`, so it goes where that goes.
    """
    dropped = ENDPOINTS[endpoint].dropped
    if dropped and body.get("store"):
        dropped |= {"metadata"}
    return {
        name: value
        for name, value in body.items()
        if name not in dropped and (name == "service_tier" or _why_refused(endpoint, name, model) is None)
    }


def _why_refused(endpoint: str, name: str, model: "Model") -> str | None:
    fields = ENDPOINTS[endpoint]
    if name in fields.dropped:
        return None
    if name == "service_tier":
        return "Only the default `service_tier` is offered."
    if why := fields.why_refused(name):
        return _not_offered_because(name, why)
    return f"`{model.id}` takes no `{_shown(name)}`." if name in model.refused_parameters else None


@dataclass(frozen=True, slots=True)
class ParameterPolicy:
    """The fields that one provider takes. `accepted`: by endpoint, fields of its own that cost nothing beyond the hold.

    An accepted `a.b` is the member `b` of the object `a`, and no other member of it.
    `unknown_fields`: whether a field that is in no list refuses the call here, is dropped, or is passed on.
    """

    unknown_fields: str = REFUSE
    accepted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def refusal(self, endpoint: str, body: Mapping[str, Any]) -> ParameterUnsupported | None:
        """The error if this provider does not take `body`, which has passed `refuse_costly`."""
        if self.unknown_fields == DROP:
            return None
        for name, value in self._unknown(endpoint, body):
            if self.unknown_fields == REFUSE and not asks_for_nothing(name, value):
                return self._unknown_field(endpoint, name, value)
            if self.unknown_fields == PASS and (below := _costly_below({name: value})):
                return _not_offered(name, *below)
        return None

    def forwarded(self, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that may be sent here: what was not judged is not sent."""
        fields, unknown = ENDPOINTS[endpoint], {name for name, _ in self._unknown(endpoint, body)}
        return {
            name: value
            for name, value in body.items()
            if name not in fields.dropped
            and fields.why_refused(name) is None
            and (name not in unknown or self.unknown_fields == PASS)
        }

    def _unknown(self, endpoint: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields in no list of the endpoint or of this provider."""
        known, accepted = ENDPOINTS[endpoint].known, self.accepted.get(endpoint, frozenset())
        for name, value in body.items():
            if name not in known and _outside(name, value, accepted) is not None:
                yield name, value

    def _unknown_field(self, endpoint: str, name: str, value: object) -> ParameterUnsupported:
        accepted = self.accepted.get(endpoint, frozenset())
        where = _shown(_outside(name, value, accepted) or name)
        offered = ", ".join(sorted(ENDPOINTS[endpoint].known | accepted))
        return ParameterUnsupported(f"Unknown parameter: '{where}'. Accepted: {offered}.", param=where)


def refuse_unpriced_caching(body: Mapping[str, Any]) -> None:
    """Raises ParameterUnsupported for a cache entry that is kept longer, and written at a higher price, than usual.

    Every byte of every member of messages, parts and tools is counted as text; this alone costs more than that:
    Anthropic writes five minutes at the catalog's `cache_write`, and an hour at 1.6 times as much.
    """
    where = _kept_longer(body)
    if where is not None:
        param = f"{where}cache_control.ttl"
        raise ParameterUnsupported("Prompts are cached for five minutes: leave `ttl` out.", param=param)


def _kept_longer(body: Mapping[str, Any]) -> str | None:
    """The path of the first cache entry that is kept for more than five minutes. Paths are built only when found."""
    if _is_kept_longer(body):
        return ""
    for listed in ("messages", "tools"):
        for at, holder in enumerate(body.get(listed) or ()):
            if _is_kept_longer(holder):
                return f"{listed}[{at}]."
            if _is_kept_longer(holder.get("function")):
                return f"{listed}[{at}].function."
            content = holder.get("content")
            for position, part in enumerate(content if isinstance(content, list) else ()):
                if _is_kept_longer(part):
                    return f"{listed}[{at}].content[{position}]."
    return None


def _is_kept_longer(holder: object) -> bool:
    control = holder.get("cache_control") if isinstance(holder, dict) else None
    return isinstance(control, dict) and control.get("ttl") not in (None, "", "5m")


def _outside(name: str, value: object, accepted: frozenset[str]) -> str | None:
    """The first member at or below `name` that no accepted path leads to; None where all of them are accepted."""
    if name in accepted:
        return None
    if not isinstance(value, Mapping) or not any(path.startswith(f"{name}.") for path in accepted):
        return name
    found = (_outside(f"{name}.{member}", inner, accepted) for member, inner in value.items() if inner)
    return next((where for where in found if where), None)


def _costly_below(value: object) -> tuple[str, str] | None:
    """A member at any depth whose cost no hold covers, or the first that is too much to look into, and why.

    Without recursion: JSON is nested deeper than Python's stack.
    """
    left, looked_into = [value], 0
    while left:
        here = left.pop()
        inner = here.values() if isinstance(here, Mapping) else here if isinstance(here, list) else ()
        left.extend(one for one in inner if isinstance(one, dict | list))
        looked_into += 1
        if isinstance(here, Mapping):
            looked_into += len(here)
            for name, member in here.items():
                why = _COSTLY_PLAIN.get(_plain(name))
                if why is not None and not asks_for_nothing(name, member):
                    return name, why
                if looked_into > LOOKED_INTO_MAX:
                    return name, f"more than {LOOKED_INTO_MAX} members are not looked into"
        elif looked_into > LOOKED_INTO_MAX:
            return "[]", f"more than {LOOKED_INTO_MAX} members are not looked into"
    return None


def _not_offered(param: str, name: str, why: str) -> ParameterUnsupported:
    return ParameterUnsupported(_not_offered_because(name, why), param=_shown(param))


def _not_offered_because(name: str, why: str) -> str:
    return f"`{_shown(name)}` is not offered: {why}."


def _shown(name: str) -> str:
    return name[:NAME_CHARACTERS_SHOWN]
