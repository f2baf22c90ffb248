"""No field of a request makes a provider spend more than the hold, at any provider and at any endpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any

import orjson
import pytest

from multiconnection.catalog.models import Provider
from multiconnection.catalog.parameters import (
    CHAT,
    COMPLETIONS,
    EDITS,
    ENDPOINTS,
    GENERATIONS,
    ParameterPolicy,
    refuse_costly,
    without_idle,
)
from multiconnection.catalog.providers import configured_providers, parameter_policy
from multiconnection.chat.service import ChatService
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.config import Settings, SettingsError
from multiconnection.errors import GatewayError, ParameterUnsupported
from multiconnection.usage import Usage
from tests.support.chat_world import ENVIRONMENT, MESSAGES, ChatWorld, a_model
from tests.support.fake_http import FakeHttp, FakeReply
from tests.support.fake_upstream import a_provider

pytestmark = pytest.mark.virtual_time


ENTRIES = orjson.loads(files("multiconnection").joinpath("data/providers.json").read_bytes())["providers"]
PREFIXES = [entry["env_prefix"] for entry in ENTRIES]
KEYS = {f"{prefix}_API_KEY": "sk-1" for prefix in PREFIXES}
URLS = {f"{prefix}_BASE_URL": "https://provider.example/v1" for prefix in PREFIXES}
PROVIDERS = {
    name: replace(provider, idle_timeout_s=900)
    for name, provider in configured_providers(Settings.of(ENVIRONMENT | KEYS | URLS)).items()
}
OWN = {"vllm", "ollama", "llamacpp", "upstream"}
LIMITS = [
    "n_predict",
    "num_predict",
    "max_new_tokens",
    "max_output_tokens",
    "max_length",
    "max_gen_len",
    "max_generated_tokens",
    "max_tokens_to_sample",
    "max_tokens_to_generate",
    "min_tokens",
    "min_new_tokens",
    "min_length",
    "nPredict",
    "maxOutputTokens",
    "max-new-tokens",
    "N_PREDICT",
    "MinTokens",
    "n_predict[]",
]
ANSWERS = ["best_of", "n_cmpl", "num_return_sequences", "candidate_count", "num_beams", "beam_width", "candidateCount"]
COSTLY: dict[str, Any] = {
    **dict.fromkeys(LIMITS, 16_000),
    **dict.fromkeys(ANSWERS, 16),
    "use_beam_search": True,
    "web_search_options": {"search_context_size": "high"},
    "search_parameters": {"mode": "on"},
    "enable_search": True,
    "search_options": {"forced_search": True},
    "web_search": True,
    "plugins": [{"id": "web"}],
    "data_sources": [{"type": "azure_search"}],
    "mcp_servers": [{"url": "https://a.example"}],
    "compound_custom": {"tools": {"enabled_tools": ["web_search"]}},
    "models": ["dear"],
    "provider": {"only": ["dear"]},
    "route": "fallback",
    "preset": "mine",
    "fallbacks": ["dear"],
    "api_base": "https://a.example",
    "previous_response_id": "r",
    "conversation": "c",
    "cached_content": "cachedContents/1",
    "session_params": {"id": "s"},
    "prompt_embeds": "AAAA",
    "chat_template": "{% for i in range(9999) %}x{% endfor %}",
    "chatTemplate": "{% for i in range(9999) %}x{% endfor %}",
    "mm_processor_kwargs": {"max_pixels": 10**9},
    "keep_alive": -1,
    "num_ctx": 10**6,
    "logits_processors": ["os.system"],
    "custom_logit_processor": "x",
    "kv_transfer_params": {"remote_host": "a"},
    "background": True,
    "deferred": True,
    "prediction": {"type": "content", "content": "x"},
    "audio": {"voice": "alloy", "format": "mp3"},
    "speed": "fast",
    "service_tier": "priority",
    "image_config": {"aspect_ratio": "1:1"},
}
NESTED: dict[str, Any] = {
    "options": {"num_predict": 16_000},
    "extra_body": {"n_predict": 16_000},
    "parameters": {"max_new_tokens": 16_000},
    "generation_config": {"maxOutputTokens": 16_000},
    "sampling_params": {"a": [{"max_tokens": 16_000}]},
    "nvext": {"n": 16},
    "chat_template_kwargs": {"chat_template": "{% for i in range(9999) %}x{% endfor %}"},
}
EVERYTHING = [*COSTLY.items(), *NESTED.items()]
WHOLE = (
    b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"text":"x","finish_reason":"stop"}],'
)
USAGE = b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'


def members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


def spent_by_a_greedy_server(sent: Mapping[str, Any]) -> Usage:
    """A server that knows every name: each replaces the limit of the answer, or costs 16,000 tokens more."""
    limit = sent.get("max_tokens") or sent.get("max_completion_tokens") or 0
    known = {name.lower().replace("_", "").replace("-", "") for name in COSTLY}
    for name, value in members({name: sent[name] for name in sent if name not in ("messages", "max_tokens", "n")}):
        plain = name.lower().replace("_", "").replace("-", "")
        costs = plain in known and not (name == "best_of" and value == 1)
        if costs or (name != "max_completion_tokens" and plain in ("maxtokens", "n")):
            limit += 16_000
    return Usage(input=1, output=limit * (sent.get("n") or 1))


def a_world(*providers: Provider) -> ChatWorld:
    upstreams = [{"provider": provider.name, "model": "theirs"} for provider in providers]
    capabilities = ["streaming", "completions"]
    world = ChatWorld(a_model(upstreams=upstreams, capabilities=capabilities, max_output_tokens=16_000))
    world.providers.clear()
    world.providers.update({provider.name: provider for provider in providers})
    world.http = FakeHttp([FakeReply([WHOLE, USAGE])])
    world.chat = ChatService(world.calls, OpenAiCompatible(world.http), world.uploads)
    return world


async def asked(world: ChatWorld, endpoint: str, fields: Mapping[str, Any]) -> GatewayError | None:
    ask = world.chat.answer if endpoint == CHAT else world.chat.complete
    text = {"messages": MESSAGES} if endpoint == CHAT else {"prompt": "hi"}
    body = {"model": "m-1", "max_tokens": 1, **text, **fields}
    try:
        await ask(await world.caller(), body, world.context())
    except GatewayError as exc:
        return exc
    return None


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS])
async def test_no_field_spends_more_than_the_hold(endpoint: str, provider: Provider) -> None:
    for name, value in EVERYTHING:
        if (name, endpoint) == ("best_of", COMPLETIONS):
            continue  # is paid for there
        world = a_world(provider)
        refused = await asked(world, endpoint, {name: value})
        if refused is not None:
            assert (refused.code, world.http.posted) == ("unsupported_parameter", []), name
            assert str(refused.param).split(".")[0] == name, name
            continue
        (sent,) = world.http.posted
        row = await world.settled_row()
        assert world.models.found[0].cost_pico(spent_by_a_greedy_server(sent.json)) <= row.hold * 1000, name


def test_each_provider_says_what_it_does_with_a_field_that_nobody_judged() -> None:
    policies = {entry["name"]: entry["unknown_fields"] for entry in ENTRIES}
    assert {name for name, policy in policies.items() if policy == "pass"} == OWN
    assert set(policies.values()) == {"pass", "refuse"}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
async def test_an_unknown_field_reaches_the_operators_own_servers_alone(provider: Provider) -> None:
    world = a_world(provider)
    refused = await asked(world, CHAT, {"cache_prompt": True, "samplers": ["top_k"]})
    if provider.name in OWN:
        assert world.http.posted[0].json["cache_prompt"] is True
        return
    assert refused is not None
    assert (refused.code, refused.param) == ("unsupported_parameter", "cache_prompt")
    assert "Accepted: cache_control, chat_template_args" in refused.message
    assert "temperature" in refused.message


@pytest.mark.parametrize("unknown_fields", ["drop", "refuse", "pass"])
async def test_a_provider_may_drop_refuse_or_pass_what_is_unknown(unknown_fields: str) -> None:
    world = a_world(replace(a_provider("one"), parameters=ParameterPolicy(unknown_fields)))
    refused = await asked(world, CHAT, {"invented": 1, "top_k": 3})
    sent = [posted.json for posted in world.http.posted]
    assert (refused is not None) == (unknown_fields == "refuse")
    assert [("invented" in body, body["top_k"]) for body in sent] == {
        "drop": [(False, 3)],
        "refuse": [],
        "pass": [(True, 3)],
    }[unknown_fields]


async def test_the_call_goes_to_the_upstreams_that_take_every_field() -> None:
    strict = a_provider("one")
    taking = replace(a_provider("two"), parameters=ParameterPolicy(accepted={CHAT: frozenset({"transforms"})}))
    world = a_world(strict, taking)
    assert await asked(world, CHAT, {"transforms": ["middle-out"]}) is None
    assert [posted.url for posted in world.http.posted] == ["https://api.two.example/v1/chat/completions"]
    assert world.http.posted[0].json["transforms"] == ["middle-out"]
    world = a_world(strict, taking)
    refused = await asked(world, CHAT, {"transforms": ["middle-out"], "invented": 1})
    assert refused is not None
    assert (refused.param, world.http.posted) == ("transforms", [])


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}], ids=repr)
@pytest.mark.parametrize("provider", [PROVIDERS["openai"], PROVIDERS["llamacpp"]], ids=["openai", "llamacpp"])
async def test_a_value_that_asks_for_nothing_is_as_if_absent(provider: Provider, value: object) -> None:
    fields = {name: value for name in COSTLY if name != "service_tier" and name.isidentifier() and name.islower()}
    world = a_world(provider)
    assert await asked(world, CHAT, fields) is None
    assert world.http.posted[0].json.keys() & fields.keys() == set()


async def test_defaults_and_what_is_kept_nowhere_are_answered() -> None:
    fields = {"store": True, "metadata": {"a": "b"}, "best_of": 1, "speed": "standard", "service_tier": "auto"}
    world = a_world(PROVIDERS["openai"])
    assert await asked(world, CHAT, fields) is None
    assert world.http.posted[0].json.keys() & fields.keys() == {"service_tier"}
    world = a_world(PROVIDERS["openai"])
    assert await asked(world, CHAT, {"store": False, "metadata": {"a": "b"}}) is None
    assert world.http.posted[0].json["metadata"] == {"a": "b"}


def test_the_usual_retention_of_a_cache_is_no_wish() -> None:
    model = a_model(refused_parameters=["prompt_cache_retention"])
    usual = {"prompt_cache_retention": "in_memory"}
    refuse_costly(CHAT, usual, model)
    assert without_idle(CHAT, usual, model) == {}
    assert without_idle(CHAT, usual, a_model()) == usual
    with pytest.raises(ParameterUnsupported):
        refuse_costly(CHAT, {"prompt_cache_retention": "24h"}, model)


async def test_best_of_zero_is_as_if_absent() -> None:
    world = a_world(PROVIDERS["openai"])
    assert await asked(world, COMPLETIONS, {"best_of": 0}) is None


@pytest.mark.parametrize("value", ["transparent", "opaque", "auto"])
@pytest.mark.parametrize("endpoint", [GENERATIONS, EDITS])
def test_a_refusal_of_chat_is_none_of_images(endpoint: str, value: str) -> None:
    refuse_costly(endpoint, {"background": value}, a_model())
    assert ParameterPolicy().forwarded(endpoint, {"background": value}) == {"background": value}


@pytest.mark.parametrize("name", ["svg", "svg[model]", "frame_count", "frame_duration_ms", "complexity"])
@pytest.mark.parametrize("endpoint", [GENERATIONS, EDITS])
def test_what_has_no_price_for_images_is_refused(endpoint: str, name: str) -> None:
    for policy in (ParameterPolicy(), ParameterPolicy("pass")):
        with pytest.raises(ParameterUnsupported) as caught:
            refuse_costly(endpoint, {name: "high"}, a_model())
        assert caught.value.param == name
        assert policy.forwarded(endpoint, {name: "high"}) == {}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_endpoint_refuses_what_it_knows_or_forwards_what_it_refuses(endpoint: str) -> None:
    fields = ENDPOINTS[endpoint]
    assert {name for name in fields.known if fields.why_refused(name)} == set()
    refused = [name for name in COSTLY if fields.why_refused(name)]
    assert refused
    for policy in (ParameterPolicy(), ParameterPolicy("drop"), ParameterPolicy("pass")):
        assert policy.forwarded(endpoint, dict.fromkeys(refused, 1)) == {}


async def test_geminis_own_object_passes_member_by_member() -> None:
    thinking = {"thinking_config": {"thinking_budget": 0, "include_thoughts": True}}
    world = a_world(PROVIDERS["gemini"])
    assert await asked(world, CHAT, {"extra_body": {"google": thinking}}) is None
    assert world.http.posted[0].json["extra_body"] == {"google": thinking}
    for outside in ({"google": {**thinking, "cached_content": "c"}}, {"google": "x"}, {"other": 1}, "x"):
        world = a_world(PROVIDERS["gemini"])
        refused = await asked(world, CHAT, {"extra_body": outside})
        assert refused is not None
        assert str(refused.param).startswith("extra_body")
        assert world.http.posted == []


async def test_members_at_any_depth_are_found_without_recursion() -> None:
    deep: Any = {"num_predict": 1}
    for _ in range(9000):
        deep = [deep]
    refusal = ParameterPolicy("pass").refusal(COMPLETIONS, {"options": deep})
    assert refusal is not None
    assert "num_predict" in refusal.message


@pytest.mark.parametrize("much", [{str(at): 1 for at in range(10_001)}, [[]] * 10_001, [{"a": 1}] * 10_001], ids=type)
def test_what_is_too_much_to_look_into_is_refused(much: object) -> None:
    assert ParameterPolicy("pass").refusal(CHAT, {"options": list(range(10**6))}) is None
    refusal = ParameterPolicy("pass").refusal(CHAT, {"options": much})
    assert refusal is not None
    assert (refusal.param, "not looked into" in refusal.message) == ("options", True)


def test_a_body_has_so_many_fields_at_most() -> None:
    refuse_costly(CHAT, {str(at): 1 for at in range(1000)}, a_model())
    with pytest.raises(ParameterUnsupported, match="1001"):
        refuse_costly(CHAT, {str(at): 1 for at in range(1001)}, a_model())


def test_schemas_and_tools_may_have_members_of_any_name() -> None:
    schema = {"type": "object", "properties": {"max_tokens": {"type": "integer"}, "n": {}, "model": {}}}
    body = {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        "guided_json": schema,
        "structured_outputs": {"json": schema},
        "metadata": {"n": "1"},
    }
    refuse_costly(CHAT, body, a_model())
    for policy in (ParameterPolicy(), ParameterPolicy("pass")):
        assert policy.refusal(CHAT, body) is None
        assert policy.forwarded(CHAT, body) == body


def test_a_long_name_is_not_echoed_whole() -> None:
    refusal = ParameterPolicy().refusal(CHAT, {"x" * 10**6: 1})
    assert refusal is not None
    assert len(refusal.message) + len(str(refusal.param)) < 3000


@pytest.mark.parametrize("entry", [{"unknown_fields": "believe"}, {"accepted_fields": {"chats": []}}])
def test_a_policy_that_cannot_be_meant_stops_the_process(entry: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="unknown_fields"):
        parameter_policy({"name": "one", **entry})
