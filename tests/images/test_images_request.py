"""Image requests that are refused: before any hold, naming the field, saying what there is."""

from typing import Any

import pytest

from multiconnection.errors import ParameterUnsupported, RequestInvalid
from multiconnection.images.request import MODEL_DEFAULT
from tests.support.images_world import DALLE, GPT, MINI, USAGE, ImagesWorld, images

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "x" * 4001}, "prompt"),
        ({"prompt": "\U0001f600" * 32_001, "model": MINI}, "prompt"),
        ({"n": 2}, "n"),
        ({"n": 0, "model": MINI}, "n"),
        ({"n": 11, "model": MINI}, "n"),
        ({"n": "2", "model": MINI}, "n"),
        ({"n": 1.0, "model": MINI}, "n"),
        ({"n": True, "model": MINI}, "n"),
        ({"size": "512x512"}, "size"),
        ({"size": "1024x1536"}, "size"),
        ({"size": 1024}, "size"),
        ({"size": "x" * 65}, "size"),
        ({"quality": "medium"}, "quality"),
        ({"quality": "max", "model": MINI}, "quality"),
        ({"size": "2048x2048", "model": GPT}, "size"),
        ({"response_format": "file"}, "response_format"),
        ({"output_format": "svg", "model": MINI}, "output_format"),
        ({"output_compression": 101, "model": MINI}, "output_compression"),
        ({"partial_images": 4, "model": MINI}, "partial_images"),
        ({"partial_images": 1}, "partial_images"),
        ({"stream": True}, "stream"),
        ({"stream": "yes", "model": MINI}, "stream"),
        ({"stream": True, "response_format": "url", "model": MINI}, "response_format"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"user": 7}, "user"),
        ({"model": 7}, "model"),
        ({"model": "m-1"}, "model"),
    ],
)
async def test_what_is_wrong_is_named_before_any_hold(body: dict[str, Any], param: str) -> None:
    world = ImagesWorld()
    client = await world.generate(await world.caller(), **body)
    assert isinstance(client.refused, RequestInvalid)
    assert (client.refused.http_status, client.refused.param) == (400, param)
    await world.assert_untouched()


async def test_a_size_without_a_price_is_answered_with_what_there_is() -> None:
    world = ImagesWorld()
    client = await world.generate(await world.caller(), size="512x512")
    assert client.refused is not None
    assert client.refused.message.endswith(
        "It generates 1024x1024 in standard, hd; 1024x1792 in standard, hd; 1792x1024 in standard, hd."
    )


async def test_a_chat_model_is_told_where_to_go() -> None:
    world = ImagesWorld()
    client = await world.generate(await world.caller(), model="m-1")
    assert client.refused is not None
    assert "chat/completions" in client.refused.message


async def test_without_a_model_the_default_draws() -> None:
    world = ImagesWorld(images(usage=USAGE))
    client = await world.generate(await world.caller(), model=None)
    assert client.refused is None
    assert (await world.settled_row()).model == MODEL_DEFAULT == MINI


async def test_the_longest_prompt_is_drawn_and_bounded_by_its_bytes() -> None:
    world = ImagesWorld(images())
    assert (await world.generate(await world.caller(), prompt="x" * 4000)).refused is None
    world = ImagesWorld(images(usage=USAGE))
    body = {"model": MINI, "prompt": "\u732b" * 32_000, "size": "1024x1024", "quality": "low"}
    assert (await world.generate(await world.caller(), **body)).refused is None
    # 3 bytes a character, 48 more of JSON than the prompt has, 64 around it.
    assert (await world.settled_row()).hold == (3 * 32_000 + 48 + 64) * 2_000 + (625 + 512) * 8_000


async def test_only_models_that_edit_edit() -> None:
    world = ImagesWorld()
    client = await world.edit(await world.caller(), model=DALLE, images=[{"image_url": "https://a.example/1.png"}])
    assert isinstance(client.refused, RequestInvalid)
    assert client.refused.param == "model"
    await world.assert_untouched()


async def test_files_of_the_provider_are_nobodys() -> None:
    world = ImagesWorld()
    client = await world.edit(await world.caller(), images=[{"file_id": "file-1"}])
    assert isinstance(client.refused, ParameterUnsupported)
    assert client.refused.param == "images[0].file_id"
    await world.assert_untouched()
