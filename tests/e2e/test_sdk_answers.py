"""The official SDKs, unstreamed: what they get is what the contract promises. Runs once per SDK."""

from decimal import Decimal

from tests.e2e.support.prices import DEMO
from tests.e2e.support.sdks import SdkRun

SAID = "Hello from the demo model! You said: one two three"
WEATHER_CALLS = [
    {"id": f"call_demo_{number}", "type": "function", "name": name, "arguments": {"city": "demo", "days": 1}}
    for number, name in enumerate(("get_weather", "get_forecast"), 1)
]


def test_models_are_listed_and_retrieved_by_ids_with_slash_and_colon(sdk: SdkRun) -> None:
    facts = sdk["models"]
    assert facts["retrieved"] == list(facts["asked"])
    assert set(facts["asked"]) <= set(facts["listed"])


def test_a_chat_is_answered_with_usage_and_its_cost(sdk: SdkRun) -> None:
    facts = sdk["chat"]
    assert (facts["text"], facts["finish"]) == (SAID, "stop")
    usage = facts["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 10, 17)
    assert Decimal(str(usage["cost"])) == DEMO.of(prompt=7, completion=10)


def test_the_request_id_finds_the_usage_row(sdk: SdkRun) -> None:
    facts = sdk["chat"]
    row = sdk.customer.usage_row(facts["request_id"])
    assert (row["request_id"], float(row["cost"])) == (facts["request_id"], facts["usage"]["cost"])
    assert (row["ended"], row["usage_source"], row["streamed"]) == ("complete", "upstream", False)


def test_tools_are_called(sdk: SdkRun) -> None:
    assert sdk["tools"] == {"calls": WEATHER_CALLS, "finish": "tool_calls"}


def test_a_response_format_is_kept(sdk: SdkRun) -> None:
    assert sdk["response_format"] == {"parsed": {"city": "demo"}}


def test_logprobs_belong_to_the_text(sdk: SdkRun) -> None:
    facts = sdk["logprobs"]
    assert facts["text"] == facts["tokens"] == "Hello from the demo"
    assert (facts["alternatives"], facts["finish"]) == ([2, 2, 2, 2], "length")


def test_n_gives_several_choices_and_all_are_counted(sdk: SdkRun) -> None:
    assert sdk["choices"] == {"indexes": [0, 1], "texts": [SAID, SAID], "completion_tokens": 20}


def test_a_stop_sequence_ends_the_text(sdk: SdkRun) -> None:
    assert sdk["stop"] == {"text": "Hello from the demo model!"}


def test_images_in_messages_reach_the_provider(sdk: SdkRun) -> None:
    facts = sdk["images"]
    assert facts["sent"] == facts["given"]
    assert facts["prompt_tokens"] == 4 + 3 + 85


def test_fields_that_nobody_knows_and_extreme_seeds_reach_the_provider(sdk: SdkRun) -> None:
    body = sdk["passed_through"]["body"]
    assert (body["top_k"], body["chat_template_kwargs"]) == (7, {"thinking": False})
    assert body["seed"] == -9007199254740991


def test_neither_key_nor_sdk_headers_reach_the_provider(sdk: SdkRun) -> None:
    headers = sdk["passed_through"]["headers"]
    assert headers["authorization"] == "absent"
    assert not [name for name in headers if name.startswith(("x-stainless", "openai-", "cookie", "x-forwarded"))]


def test_the_asynchronous_client_gets_the_same(sdk: SdkRun) -> None:
    assert sdk["asynchronous"] == {"text": SAID}
