"""Uploads and stored results: whose they are, what they may be, and what a request that refers to one gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.errors import (
    GatewayError,
    ParameterMissing,
    RequestInvalid,
    RequestTooLarge,
    StorageUnavailable,
    UploadNotFound,
)
from multiconnection.uploads.service import REFERENCES_MAX, UPLOAD_TYPES, UploadConfig, UploadService
from tests.support.fake_objects import FakeObjects
from tests.support.limit_world import HandClock, SeededRng

pytestmark = pytest.mark.virtual_time


ME, OTHER = "acct_1", "acct_2"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
MEBIBYTE = 1024 * 1024
ANY = ("image", "audio", "video")
Body = dict[str, Any]


@dataclass
class World:
    clock: HandClock = field(default_factory=HandClock)
    config: UploadConfig = field(default_factory=UploadConfig)

    def __post_init__(self) -> None:
        self.store = FakeObjects(self.clock)
        self.uploads = UploadService(self.store, self.clock, SeededRng(1), self.config)

    async def uploaded(self, data: bytes = PNG, content_type: str = "image/png", account_id: str = ME) -> str:
        """The reference of a file that is there."""
        upload = await self.uploads.create(account_id, {"bytes": len(data), "content_type": content_type})
        assert await self.store.upload(upload.url, data, content_type) == 200
        return f"upload://{upload.id}"

    async def refused(self, account_id: str, reference: str, kinds: tuple[str, ...] = ANY) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.uploads.resolve(account_id, reference, kinds, "file")
        assert caught.value.param == "file"
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


# --- create


async def test_an_upload_is_a_url_for_one_file_of_the_caller(world: World) -> None:
    body = {"bytes": len(PNG), "content_type": "image/png", "filename": "a.png", "purpose": "vision"}
    upload = await world.uploads.create(ME, body)
    assert (upload.size, upload.content_type, upload.filename) == (len(PNG), "image/png", "a.png")
    assert (upload.created_s, upload.expires_s) == (world.clock.at, world.clock.at + 900)
    assert await world.store.upload(upload.url, PNG, "image/png") == 200
    assert world.store.objects == {f"uploads/{ME}/{upload.id}": (PNG, "image/png")}


async def test_the_url_takes_no_other_size_or_type_and_ends(world: World) -> None:
    upload = await world.uploads.create(ME, {"bytes": len(PNG), "content_type": "image/png"})
    assert await world.store.upload(upload.url, PNG + b"x", "image/png") == 403
    assert await world.store.upload(upload.url, PNG, "text/html") == 403
    world.clock.at = upload.expires_s + 1
    assert await world.store.upload(upload.url, PNG, "image/png") == 403
    assert world.store.objects == {}


async def test_ids_are_unguessable_and_all_different(world: World) -> None:
    body = {"bytes": 1, "content_type": "image/png"}
    ids = {(await world.uploads.create(ME, body)).id for _ in range(200)}
    assert len(ids) == 200
    assert {len(each) for each in ids} == {len("upl_") + 22}
    assert 62**22 > 2**120


@pytest.mark.parametrize("content_type", sorted(UPLOAD_TYPES))
async def test_pictures_have_a_lower_limit_than_sound_and_film(world: World, content_type: str) -> None:
    bytes_max = (20 if content_type.startswith("image/") else 64) * MEBIBYTE
    upload = await world.uploads.create(ME, {"bytes": bytes_max, "content_type": content_type})
    assert upload.size == bytes_max
    with pytest.raises(RequestTooLarge, match=str(bytes_max)) as caught:
        await world.uploads.create(ME, {"bytes": bytes_max + 1, "content_type": content_type})
    assert caught.value.param == "bytes"


async def test_a_lower_limit_of_the_operator_holds_for_pictures_too() -> None:
    world = World(config=UploadConfig(upload_bytes_max=1000))
    with pytest.raises(RequestTooLarge):
        await world.uploads.create(ME, {"bytes": 1001, "content_type": "image/png"})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"content_type": "audio/webm;codecs=opus"}, "audio/webm"),
        ({"content_type": " IMAGE/PNG "}, "image/png"),
        ({"mime_type": "video/mp4"}, "video/mp4"),
        ({"content_type": "image/gif", "mime_type": "video/mp4"}, "image/gif"),
    ],
)
async def test_a_type_is_kept_without_its_parameters(world: World, given: Body, kept: str) -> None:
    assert (await world.uploads.create(ME, {"bytes": 1, **given})).content_type == kept


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"content_type": "image/png"}, "bytes"),
        ({"content_type": "image/png", "bytes": 0}, "bytes"),
        ({"content_type": "image/png", "bytes": -1}, "bytes"),
        ({"content_type": "image/png", "bytes": "5"}, "bytes"),
        ({"content_type": "image/png", "bytes": True}, "bytes"),
        ({"content_type": "image/png", "bytes": 1.5}, "bytes"),
        ({"bytes": 1}, "content_type"),
        ({"bytes": 1, "content_type": "text/html"}, "content_type"),
        ({"bytes": 1, "content_type": "image/svg+xml"}, "content_type"),
        ({"bytes": 1, "content_type": "image/png\r\nx: y"}, "content_type"),
        ({"bytes": 1, "content_type": "application/octet-stream"}, "content_type"),
        ({"bytes": 1, "mime_type": "image/tiff"}, "mime_type"),
        ({"bytes": 1, "content_type": 5}, "content_type"),
        ({"bytes": 1, "content_type": "image/png", "filename": "x" * 256}, "filename"),
        ([], None),
        (None, None),
    ],
)
async def test_what_is_wrong_is_named_before_anything_is_signed(world: World, body: object, param: str | None) -> None:
    with pytest.raises(RequestInvalid) as caught:
        await world.uploads.create(ME, body)
    assert caught.value.param == param
    assert world.store.calls == []


async def test_a_missing_field_has_a_code_of_its_own(world: World) -> None:
    for body in ({"bytes": 1}, {"content_type": "image/png"}):
        with pytest.raises(ParameterMissing):
            await world.uploads.create(ME, body)


# --- resolve


async def test_an_uploaded_file_is_found_read_and_handed_on(world: World) -> None:
    found = await world.uploads.resolve(ME, await world.uploaded(), ("image",))
    assert (found.size, found.content_type) == (len(PNG), "image/png")
    assert await found.read() == PNG
    url = await found.url()
    assert await world.store.download(url) == PNG
    world.clock.at += 3601
    async with world.store.http() as http:
        assert (await http.get(url)).status_code == 403


async def test_another_accounts_upload_is_as_missing_as_one_that_never_was(world: World) -> None:
    theirs, mine = await world.uploaded(account_id=OTHER), await world.uploaded()
    never = "upload://upl_" + "0" * 22
    answers = {(await world.refused(ME, reference)).message.replace(reference, "") for reference in (theirs, never)}
    assert len(answers) == 1
    assert (await world.refused(OTHER, mine)).code == "upload_not_found"


async def test_an_upload_whose_file_was_not_sent_says_so(world: World) -> None:
    upload = await world.uploads.create(ME, {"bytes": 1, "content_type": "image/png"})
    error = await world.refused(ME, f"upload://{upload.id}")
    assert isinstance(error, UploadNotFound)
    assert "not been sent to the upload URL" in error.message


TRICKS = [
    "upload://upl_0123456789abcdefghijkl/../../acct_2/upl_x",
    "upload://../acct_2/upl_0123456789abcdefghijkl",
    "upload://acct_2/upl_0123456789abcdefghijkl",
    "upload://upl_0123456789abcdefghijkl\n",
    "upload://upl_0123456789abcdefghijkl?versionId=1",
    "upload://upl_0123456789abcdefghijkl#",
    "upload://upl_%2e%2e%2f0123456789abcdefghij",
    "upload://upl_..\\..\\0123456789abcdefghijkl",
    "upload://upl_0123456789abcdefghijk",  # one short
    "upload://upl_" + "a" * 65,
    "upload://upl_0123456789abcdefghijké",
    "upload://UPL_0123456789abcdefghijkl",
    "upload://",
    "upload:upl_0123456789abcdefghijkl",
    "upl_0123456789abcdefghijkl",
    "UPLOAD://upl_0123456789abcdefghijkl",
    " upload://upl_0123456789abcdefghijkl",
    "https://objects.test/uploads/acct_2/upl_0123456789abcdefghijkl",
    "",
]


@pytest.mark.parametrize("reference", TRICKS)
async def test_tricks_with_an_id_never_reach_the_store(world: World, reference: str) -> None:
    assert (await world.refused(ME, reference)).code == "upload_not_found"
    assert world.store.calls == []


@given(st.text(max_size=60))
async def test_no_text_leads_out_of_the_callers_own_folder(text: str) -> None:
    world = World()
    for reference in (text, f"upload://{text}", f"upload://upl_{text}"):
        await world.refused(ME, reference)
    prefix = f"uploads/{ME}/upl_"
    assert all(key.startswith(prefix) and key.removeprefix(prefix).isalnum() for _, key in world.store.calls)


@pytest.mark.parametrize("account_id", ["", "a/b", "..", "a.b", "a b", "a\n", "ä", "x" * 129, "a%2fb"])
async def test_an_account_that_cannot_be_part_of_a_key_stores_nothing(world: World, account_id: str) -> None:
    for ask in (
        lambda: world.uploads.create(account_id, {"bytes": 1, "content_type": "image/png"}),
        lambda: world.uploads.resolve(account_id, "upload://upl_0123456789abcdefghijkl", ANY),
        lambda: world.uploads.store_result(account_id, "1xV7cOexampl", 0, PNG, "image/png"),
    ):
        with pytest.raises(StorageUnavailable) as caught:
            await ask()
        assert caught.value.retryable is False
    assert world.store.calls == []


async def test_size_and_type_are_those_of_the_object_and_not_those_promised(world: World) -> None:
    reference = await world.uploaded()
    [key] = world.store.objects
    for body, content_type, kind in (
        (PNG, "text/html", RequestInvalid),
        (PNG, "image/svg+xml", RequestInvalid),
        (b"", "image/png", RequestInvalid),
        (b"\0" * (20 * MEBIBYTE + 1), "image/png", RequestTooLarge),
    ):
        world.store.objects[key] = (body, content_type)
        assert type(await world.refused(ME, reference)) is kind


async def test_a_file_of_the_wrong_kind_is_refused(world: World) -> None:
    sound = await world.uploaded(b"RIFF", "audio/wav")
    error = await world.refused(ME, sound, ("image",))
    assert (type(error), "'audio/wav'" in error.message) == (RequestInvalid, True)
    assert (await world.uploads.resolve(ME, sound, ("audio", "video"))).content_type == "audio/wav"


async def test_a_file_that_goes_away_or_grows_while_it_is_used(world: World) -> None:
    found = await world.uploads.resolve(ME, await world.uploaded(), ("image",))
    world.store.objects[found.key] = (PNG + b"more", "image/png")
    with pytest.raises(RequestTooLarge):
        await found.read()
    world.store.objects.clear()
    with pytest.raises(UploadNotFound):
        await found.read()


# --- the images of a chat


def chat(*parts: object) -> Body:
    text = {"role": "system", "content": "be brief"}
    return {"model": "m-1", "messages": [text, {"role": "user", "content": list(parts)}], "seed": 7}


def image(url: object) -> Body:
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


async def test_uploaded_images_of_a_chat_become_urls_a_provider_can_read(world: World) -> None:
    reference, words = await world.uploaded(), {"type": "text", "text": "what is it?"}
    body = chat(words, image(reference), image("https://a.example/b.png"))
    before = repr(body)
    resolved = await world.uploads.resolve_image_parts(ME, body)
    url = resolved["messages"][1]["content"][1]["image_url"]["url"]
    assert await world.store.download(url) == PNG
    assert resolved == chat(words, image(url), image("https://a.example/b.png"))
    assert repr(body) == before


@pytest.mark.parametrize(
    "body",
    [
        chat({"type": "text", "text": "upload://upl_0123456789abcdefghijkl"}),
        chat(image("https://a.example/upload://x")),
        chat(image(5), image(None), {"image_url": "upload://upl_x"}, None, 5, "upload://x"),
        {"messages": None},
        {"messages": [None, 5, "text", {"content": {"image_url": {"url": "upload://x"}}}, {}]},
        {},
    ],
)
async def test_a_body_without_uploads_is_returned_as_it_is(world: World, body: Body) -> None:
    assert await world.uploads.resolve_image_parts(ME, body) is body
    assert world.store.calls == []


async def test_a_reference_that_is_used_twice_is_looked_up_once(world: World) -> None:
    reference = await world.uploaded()
    world.store.calls.clear()
    await world.uploads.resolve_image_parts(ME, chat(image(reference), image(reference)))
    assert [operation for operation, _ in world.store.calls] == ["head", "presigned_get"]


async def test_a_missing_image_is_named_by_its_place(world: World) -> None:
    body = chat(image(await world.uploaded()), image("upload://upl_" + "0" * 22))
    with pytest.raises(UploadNotFound) as caught:
        await world.uploads.resolve_image_parts(ME, body)
    assert caught.value.param == "messages[1].content[1].image_url.url"


async def test_sound_is_no_image(world: World) -> None:
    with pytest.raises(RequestInvalid):
        await world.uploads.resolve_image_parts(ME, chat(image(await world.uploaded(b"RIFF", "audio/wav"))))


async def test_look_ups_of_one_request_are_bounded(world: World) -> None:
    many = [image(f"upload://upl_{number:022d}") for number in range(REFERENCES_MAX + 1)]
    with pytest.raises(RequestInvalid, match="At most"):
        await world.uploads.resolve_image_parts(ME, chat(*many))
    assert world.store.calls == []


# --- results


@pytest.mark.parametrize(
    ("content_type", "ending"), [("image/png", "png"), ("image/jpeg", "jpg"), ("audio/mpeg", "mp3"), ("x/y", "bin")]
)
async def test_a_result_is_stored_under_its_account_and_call(world: World, content_type: str, ending: str) -> None:
    url, expires_at = await world.uploads.store_result(ME, "1xV7cOexampl", 2, PNG, content_type)
    assert world.store.objects == {f"results/{ME}/1xV7cOexampl/2.{ending}": (PNG, content_type)}
    assert expires_at == world.clock.at + 3600
    world.clock.at = expires_at
    assert await world.store.download(url) == PNG


async def test_a_result_is_no_upload(world: World) -> None:
    await world.uploads.store_result(ME, "1xV7cOexampl", 0, PNG, "image/png")
    assert (await world.refused(ME, "upload://../results/acct_1/1xV7cOexampl/0.png")).code == "upload_not_found"


async def test_when_the_store_is_down_every_way_says_so_and_may_be_retried(world: World) -> None:
    found = await world.uploads.resolve(ME, reference := await world.uploaded(), ("image",))
    world.store.down = True
    body: Mapping[str, Any] = chat(image(reference))
    for ask in (
        lambda: world.uploads.create(ME, {"bytes": 1, "content_type": "image/png"}),
        lambda: world.uploads.resolve(ME, reference, ANY),
        lambda: world.uploads.resolve_image_parts(ME, body),
        lambda: world.uploads.store_result(ME, "1xV7cOexampl", 0, PNG, "image/png"),
        found.read,
        found.url,
    ):
        with pytest.raises(StorageUnavailable) as caught:
            await ask()
        assert caught.value.headers() == {"retry-after": "1", "x-should-retry": "true"}
