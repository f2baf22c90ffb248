"""The official SDKs and images: every picture arrives as it was drawn, and costs its tokens or its price."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.demo_upstream.images import picture
from tests.e2e.support.media import OTHER_PICTURE, PICTURE, SQUARE, digest, drawn
from tests.e2e.support.prices import image_mini
from tests.e2e.support.sdks import SdkRun

PROMPT = "a red fox"
WORDS = 3
# Of a square picture; a partial one costs a hundred more.
LOW_TOKENS, MEDIUM_TOKENS, PARTIAL_TOKENS = 272, 1056, 100
# Of each picture that is looked at.
LOOK_TOKENS = 85
DALL_E_3_HD_WIDE = Decimal("0.120")


def tokens_of(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """Input, output, and the pictures in the input."""
    return usage["input_tokens"], usage["output_tokens"], usage["input_tokens_details"]["image_tokens"]


def the_one(items: Iterable[Any]) -> Any:
    (found,) = items
    return found


def test_images_arrive_as_they_were_drawn_with_usage_and_cost(sdk: SdkRun) -> None:
    facts = sdk["images_whole"]
    assert facts["digests"] == [digest(drawn(PROMPT, number)) for number in (0, 1)]
    assert tokens_of(facts["usage"]) == (WORDS, 2 * LOW_TOKENS, 0)
    cost = image_mini(WORDS, 2 * LOW_TOKENS)
    assert Decimal(str(facts["usage"]["cost"])) == cost
    row = sdk.paid("images_whole", cost)
    assert (row["endpoint"], row["model"], row["usage_source"]) == (
        "images.generations",
        "gpt-image-1-mini",
        "upstream",
    )


def test_a_prompt_alone_is_enough(sdk: SdkRun) -> None:
    assert sdk["images_by_default"]["digests"] == [digest(drawn(PROMPT, 0))]
    assert sdk.paid("images_by_default", image_mini(WORDS, MEDIUM_TOKENS))["model"] == "gpt-image-1-mini"


def test_a_link_leads_to_the_picture_of_a_model_that_is_paid_by_the_picture(sdk: SdkRun) -> None:
    item = the_one(sdk["images_as_links"]["items"])
    answer = sdk.payer.stack.http.get(item["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == drawn(PROMPT, 0, size=(1792, 1024))
    assert item["revised_prompt"] == f"A demo picture of {PROMPT}"
    row = sdk.paid("images_as_links", DALL_E_3_HD_WIDE)
    priced = {"images": 1, "size": "1792x1024", "quality": "hd"}
    assert priced.items() <= row["usage"].items()


def test_a_link_is_under_the_accounts_prefix_and_its_end_is_told(sdk: SdkRun) -> None:
    item = the_one(sdk["images_as_links"]["items"])
    link = urlsplit(item["url"])
    assert f"/results/{sdk.payer.account_id}/" in link.path
    assert int(parse_qs(link.query)["X-Amz-Expires"][0]) == 3600
    assert item["expires_at"] > sdk.payer.usage_row(sdk["images_as_links"]["request_id"])["created"] + 3500


def test_a_stream_brings_partial_images_and_then_the_whole_one(sdk: SdkRun) -> None:
    events = sdk["images_streamed"]["events"]
    kinds = ["partial_image", "partial_image", "completed"]
    assert [event["type"] for event in events] == [f"image_generation.{kind}" for kind in kinds]
    partial = [digest(picture(f"{PROMPT} 0", SQUARE, "png", blocks)) for blocks in (2, 3)]
    assert [event["digest"] for event in events] == [*partial, digest(drawn(PROMPT, 0))]
    cost = image_mini(WORDS, LOW_TOKENS + 2 * PARTIAL_TOKENS)
    assert Decimal(str(events[-1]["usage"]["cost"])) == cost
    assert sdk.paid("images_streamed", cost)["streamed"] is True


def test_a_stream_that_breaks_off_raises_and_is_free(sdk: SdkRun) -> None:
    facts = sdk["images_broken_off"]
    assert [event["type"] for event in facts["events"]] == ["image_generation.partial_image"]
    failure = facts["failure"]
    assert (failure["class"], failure["code"]) == ("APIError", "upstream_error")
    assert sdk.paid("images_broken_off", Decimal(0))["ended"] == "mid_stream_error"


def test_an_edit_starts_from_the_file(sdk: SdkRun) -> None:
    facts = sdk["images_edited"]
    assert facts["digests"] == [digest(drawn(PROMPT, 0, PICTURE))]
    assert tokens_of(facts["usage"]) == (WORDS + LOOK_TOKENS, LOW_TOKENS, LOOK_TOKENS)
    row = sdk.paid("images_edited", image_mini(WORDS, LOW_TOKENS, LOOK_TOKENS))
    assert row["endpoint"] == "images.edits"


def test_an_edit_starts_from_several_files_in_order_and_a_mask(sdk: SdkRun) -> None:
    event = the_one(sdk["images_edited_from_several"]["events"])
    assert event["type"] == "image_edit.completed"
    assert event["digest"] == digest(drawn(PROMPT, 0, PICTURE, OTHER_PICTURE, PICTURE))
    sdk.paid("images_edited_from_several", image_mini(WORDS, LOW_TOKENS, 3 * LOOK_TOKENS))
