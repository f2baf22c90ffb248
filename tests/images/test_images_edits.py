"""Image edits: where pictures may come from, what is handed to the provider, and what their look costs."""

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from multiconnection.catalog.parameters import ParameterPolicy
from multiconnection.errors import ParameterMissing, RequestInvalid, RequestTooLarge, StorageUnavailable, UploadNotFound
from multiconnection.images import inputs
from multiconnection.keys.models import Caller
from multiconnection.usage import Usage
from multiconnection.web.forms import Form, FormFile
from tests.support.fake_http import Posted
from tests.support.images_world import GIF, JPEG, MINI, PNG, PNG_2, USAGE, WEBP, ImagesWorld, b64, images

pytestmark = pytest.mark.virtual_time


Part = tuple[str, str | None, str, bytes]


def file(data: bytes = PNG, name: str = "cat.png", content_type: str = "image/png") -> FormFile:
    return FormFile(name, content_type, data)


def a_form(*pictures: FormFile, mask: FormFile | None = None, arrays: tuple[str, ...] = (), **texts: Any) -> Form:
    named = {"model": MINI, "prompt": "A hat", **texts}
    found = {name: value if isinstance(value, list) else [value] for name, value in named.items()}
    files = {**({"image": list(pictures)} if pictures else {}), **({"mask": [mask]} if mask else {})}
    return Form(found, files, frozenset(arrays))


def parts(posted: Posted) -> list[Part]:
    """Name, filename, type and body of each part, as another implementation reads them."""
    head = f"content-type: {posted.headers['content-type']}\r\n\r\n".encode()
    form = message_from_bytes(head + posted.body, policy=policy.HTTP)
    found: list[Part] = []
    for part in form.iter_parts():
        options = part["content-disposition"].params
        body = part.get_payload(decode=True)
        assert isinstance(body, bytes)
        found.append((options["name"], options.get("filename"), part.get_content_type(), body.removesuffix(b"\r\n")))
    return found


async def upload(world: ImagesWorld, data: bytes, account_id: str = "a1", content_type: str = "image/png") -> str:
    made = await world.uploads.create(account_id, {"bytes": len(data), "content_type": content_type})
    assert await world.objects.upload(made.url, data, content_type) == 200
    return f"upload://{made.id}"


async def test_one_file_goes_to_the_provider_as_a_file() -> None:
    world = ImagesWorld(images(usage=USAGE))
    form = a_form(file(JPEG, "../../x.exe", "text/html"), n="1", stream="false", size="1024x1024", seed="7")
    client = await world.edit_form(await world.caller(), form)
    assert client.body is not None
    assert client.body["data"] == [{"b64_json": b64(PNG)}]
    (posted,) = world.http.posted
    assert posted.url == "https://api.one.example/v1/images/edits"
    assert parts(posted) == [
        ("prompt", None, "text/plain", b"A hat"),
        ("n", None, "text/plain", b"1"),
        ("stream", None, "text/plain", b"false"),
        ("size", None, "text/plain", b"1024x1024"),
        ("seed", None, "text/plain", b"7"),
        ("model", None, "text/plain", b"theirs-1"),
        ("image", "image-0.jpg", "image/jpeg", JPEG),
    ]
    row = await world.settled_row()
    assert (row.endpoint, row.cost) == ("images.edits", 11_120_000)


async def test_several_files_are_an_array_and_a_mask_goes_along() -> None:
    world = ImagesWorld(images(usage=USAGE))
    world.providers["one"] = replace(world.providers["one"], parameters=ParameterPolicy("pass"))
    form = a_form(file(PNG), file(WEBP), mask=file(PNG_2), tags=["a", "b"], one=["c"], arrays=("one",))
    await world.edit_form(await world.caller(), form)
    assert parts(world.http.posted[0])[1:] == [
        ("tags[]", None, "text/plain", b"a"),
        ("tags[]", None, "text/plain", b"b"),
        ("one[]", None, "text/plain", b"c"),
        ("model", None, "text/plain", b"theirs-1"),
        ("image[]", "image-0.png", "image/png", PNG),
        ("image[]", "image-1.webp", "image/webp", WEBP),
        ("mask", "mask.png", "image/png", PNG_2),
    ]


async def test_a_name_cannot_add_a_header_or_a_part() -> None:
    world = ImagesWorld(images(usage=USAGE))
    name = 'x"\r\ncontent-type: text/html\r\n\r\n--'
    world.providers["one"] = replace(world.providers["one"], parameters=ParameterPolicy("pass"))
    await world.edit(await world.caller(), image=f"data:image/png;base64,{b64(PNG)}", **{name: "v"})
    names = [part[0] for part in parts(world.http.posted[0])]
    assert names == ["prompt", "x%22%0D%0Acontent-type: text/html%0D%0A%0D%0A--", "model", "image"]


async def test_a_markup_goes_along_and_its_look_is_paid_for() -> None:
    plain, marked, linked = (ImagesWorld(images(usage=USAGE)) for _ in range(3))
    form = a_form(file(PNG), mask=file(PNG_2))
    await plain.edit_form(await plain.caller(), form)
    markup = {"markup": [file(WEBP)]}
    await marked.edit_form(await marked.caller(), Form(form.fields, {**form.files, **markup}))
    assert parts(marked.http.posted[0])[-2:] == [
        ("mask", "mask.png", "image/png", PNG_2),
        ("markup", "markup.webp", "image/webp", WEBP),
    ]
    assert (await marked.settled_row()).hold == (await plain.settled_row()).hold + 2048 * 2_500
    url = {"image_url": "https://a.example/m.png"}
    await linked.edit(await linked.caller(), images=[url], markup=url)
    assert linked.http.posted[0].json["markup"] == url
    crowded = ImagesWorld()
    two = await crowded.edit_form(await crowded.caller(), Form(form.fields, {**form.files, "markup": [file(), file()]}))
    assert two.refused is not None
    assert two.refused.param == "markup"


# {"prompt":"A hat on it","size":"1024x1024","quality":"low"} has 59 bytes; 2,048 tokens at most for each picture.
async def test_the_hold_covers_the_look_at_every_picture_and_at_the_mask() -> None:
    world = ImagesWorld(images(usage=USAGE | {"output_tokens": 1137}))
    url = f"data:image/png;base64,{b64(PNG)}"
    shape = {"size": "1024x1024", "quality": "low"}
    await world.edit(await world.caller(), images=[{"image_url": url}] * 2, mask={"image_url": url}, **shape)
    row = await world.settled_row()
    assert row.hold == (59 + 64) * 2_000 + 3 * 2048 * 2_500 + (625 + 512) * 8_000
    assert row.usage == Usage(input=10, input_image=40, output_image=1137)


async def test_without_usage_the_look_at_each_picture_is_estimated() -> None:
    world = ImagesWorld(images())
    await world.edit(await world.caller(), image=[f"data:image/png;base64,{b64(PNG)}"] * 2)
    # {"prompt":"A hat on it"} has 24 bytes.
    assert (await world.settled_row()).usage == Usage(input=6, input_image=4096, output_image=1375)


async def test_links_are_for_the_provider_to_read_and_files_go_along_as_data() -> None:
    world = ImagesWorld(images(usage=USAGE))
    caller = await world.caller()
    link = "https://pictures.example/1.png?x=1"
    given = [{"image_url": link}, {"image_url": await upload(world, WEBP, content_type="image/webp")}]
    await world.edit(caller, images=given, mask=f"data:image/png;base64,{b64(PNG)}", n=2, response_format="url")
    assert world.http.posted[0].json == {
        "prompt": "A hat on it",
        "n": 2,
        "model": "theirs-1",
        "images": [{"image_url": link}, {"image_url": f"data:image/webp;base64,{b64(WEBP)}"}],
        "mask": {"image_url": f"data:image/png;base64,{b64(PNG)}"},
    }
    assert world.pictures.asked == []


async def test_uploads_are_read_for_the_provider_in_forms_and_in_json() -> None:
    world = ImagesWorld(images(usage=USAGE), images(usage=USAGE))
    caller = await world.caller()
    reference = await upload(world, PNG)
    await world.edit_form(caller, Form({"prompt": ["A hat"], "image": [reference], "mask": [reference]}))
    await world.edit(caller, image=reference, mask=reference)
    for posted in world.http.posted:
        assert parts(posted)[-2:] == [
            ("image", "image-0.png", "image/png", PNG),
            ("mask", "mask.png", "image/png", PNG),
        ]


async def refused(world: ImagesWorld, caller: Caller, *, form: Form | None = None, **body: Any) -> Any:
    client = await (world.edit_form(caller, form) if form else world.edit(caller, **body))
    await world.assert_untouched()
    return client.refused


async def test_another_accounts_upload_does_not_exist() -> None:
    world = ImagesWorld()
    caller = await world.caller()
    theirs = await upload(world, PNG, "a2")
    for reference in (theirs, "upload://../a2/" + theirs, "upload://upl_x", "upload://" + "%2e" * 9):
        error = await refused(world, caller, images=[{"image_url": reference}])
        assert isinstance(error, UploadNotFound)
        assert error.param == "images"


async def test_an_upload_of_another_kind_is_refused() -> None:
    world = ImagesWorld()
    caller = await world.caller()
    reference = await upload(world, b"ID3", content_type="audio/mpeg")
    assert isinstance(await refused(world, caller, image=reference), RequestInvalid)
    mislabelled = await upload(world, GIF)
    assert "PNG, JPEG or WebP" in (await refused(world, caller, image=mislabelled)).message


async def test_uploads_that_cannot_be_read_are_our_fault() -> None:
    world = ImagesWorld()
    caller = await world.caller()
    reference = await upload(world, PNG)
    world.objects.down = True
    assert isinstance(await refused(world, caller, image=reference), StorageUnavailable)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": [{}]}, "images[0].image_url"),
        ({"images": [7]}, "images[0]"),
        ({"images": "https://a.example/1.png"}, "images"),
        ({"image": 7}, "image"),
        ({"image": []}, "image"),
        ({"image": "http://a.example/1.png"}, "image"),
        ({"image": "file:///etc/passwd"}, "image"),
        ({"image": "https://a.example/1 .png"}, "image"),
        ({"image": "https://a.example/" + "x" * 8192}, "image"),
        ({"image": "data:image/png;base64,!!"}, "image"),
        ({"image": "data:image/png;base64"}, "image"),
        ({"image": "data:image/svg+xml,<svg/>"}, "image"),
        ({"image": f"data:image/png;base64,{b64(GIF)}"}, "image"),
        ({"image": [f"data:,{b64(PNG)}"] * 17}, "image"),
        ({"image": [f"data:;base64,{b64(PNG)}", "data:;base64,aGk="]}, "image[1]"),
        ({"image": f"data:;base64,{b64(PNG)}", "mask": 7}, "mask"),
        ({"image": f"data:;base64,{b64(PNG)}", "mask": {}}, "mask.image_url"),
        ({"image": f"data:;base64,{b64(PNG)}", "mask": "data:;base64,aGk="}, "mask"),
        ({"image": f"data:;base64,{b64(PNG)}", "prompt": ""}, "prompt"),
        ({"image": f"data:;base64,{b64(PNG)}", "size": "9x9"}, "size"),
    ],
)
async def test_what_is_wrong_with_json_is_named_before_any_hold(body: dict[str, Any], param: str) -> None:
    world = ImagesWorld()
    error = await refused(world, await world.caller(), **body)
    assert isinstance(error, RequestInvalid)
    assert error.param == param


@pytest.mark.parametrize(
    ("form", "param"),
    [
        (a_form(), "image"),
        (a_form(file(b"")), "image"),
        (a_form(file(b"<svg/>", "cat.png")), "image"),
        (a_form(file(PNG), file(GIF)), "image[1]"),
        (a_form(*[file()] * 17), "image"),
        (a_form(image="cat.png"), "image"),
        (a_form(file(), mask=file(b"no")), "mask"),
        (Form({"prompt": ["x"], "mask": ["https://a.example/1.png"]}, {"image": [file()], "mask": [file()]}), "mask"),
        (a_form(file(), n="two"), "n"),
        (a_form(file(), n="0"), "n"),
        (a_form(file(), n="9" * 5000), "n"),
        (a_form(file(), n="\u0663"), "n"),
        (a_form(file(), stream="maybe"), "stream"),
        (a_form(file(), prompt=""), "prompt"),
        (a_form(file(), partial_images="9"), "partial_images"),
        (Form({"prompt": ["x"]}, {"image": [file()], "photo": [file()]}), "photo"),
        (Form({}, {"image": [file()]}), "prompt"),
    ],
)
async def test_what_is_wrong_with_a_form_is_named_before_any_hold(form: Form, param: str) -> None:
    world = ImagesWorld()
    error = await refused(world, await world.caller(), form=form)
    assert isinstance(error, RequestInvalid)
    assert error.param == param


async def test_a_form_without_pictures_says_what_is_missing() -> None:
    world = ImagesWorld()
    error = await refused(world, await world.caller(), form=a_form())
    assert isinstance(error, ParameterMissing)


async def test_pictures_are_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BYTES_MAX", 2 * len(PNG) - 1)
    world = ImagesWorld(images(usage=USAGE))
    caller = await world.caller()
    error = await refused(world, caller, form=a_form(file(), file()))
    assert isinstance(error, RequestTooLarge)
    assert (await world.edit_form(caller, a_form(file()))).refused is None


async def test_an_empty_field_of_a_form_is_as_if_it_were_absent() -> None:
    world = ImagesWorld(images(usage=USAGE))
    client = await world.edit_form(await world.caller(), a_form(file(), n="", size="", quality="", stream=""))
    assert client.refused is None
    assert [part[0] for part in parts(world.http.posted[0])] == ["prompt", "model", "image"]
