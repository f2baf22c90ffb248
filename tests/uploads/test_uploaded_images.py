"""A chat that looks at an uploaded image: found before anything is reserved, handed on as a URL."""

import pytest

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.errors import UploadNotFound
from tests.support.chat_world import ChatWorld

pytestmark = pytest.mark.virtual_time


PNG = b"\x89PNG\r\n\x1a\n"


async def test_an_uploaded_image_reaches_the_provider_as_a_url_and_a_missing_one_costs_nothing() -> None:
    world = ChatWorld()
    caller = await world.caller()
    upload = await world.uploads.create(caller.account_id, {"bytes": len(PNG), "content_type": "image/png"})
    part = {"type": "image_url", "image_url": {"url": f"upload://{upload.id}"}}
    messages = [{"role": "user", "content": [part]}]
    with pytest.raises(UploadNotFound) as caught:
        await world.answer(caller, messages=messages)
    assert caught.value.param == "messages[0].content[0].image_url.url"
    assert (await world.account()).holds == {}
    assert world.upstream.calls == []
    assert await world.objects.upload(upload.url, PNG, "image/png") == 200
    assert not isinstance(await world.answer(caller, messages=messages), StreamedAnswer)
    [(_, call)] = world.upstream.calls
    url = call.body["messages"][0]["content"][0]["image_url"]["url"]
    assert await world.objects.download(url) == PNG
