"""Links of a provider lead to the provider's own places, and not into anybody's network."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from multiconnection.images.fetch import PictureUnreachable, fetched, get_picture, is_providers_own
from tests.support.images_world import PNG, FakePictures
from tests.support.provider_fakes import a_provider

OWN = "https://api.acme-models.example"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (f"{OWN}/files/1.png?sig=a%2Fb", True),
        (f"{OWN}:443/1.png", True),
        ("HTTPS://API.ACME-MODELS.EXAMPLE/1.png", True),
        ("https://oaidalleapiprodscus.blob.core.windows.net/private/1.png?se=x", True),
        ("http://oaidalleapiprodscus.blob.core.windows.net/1.png", False),
        ("https://oaidalleapiprodscus.blob.core.windows.net:8443/1.png", False),
        ("https://evil.blob.core.windows.net/1.png", False),
        ("https://oaidalleapiprodscus.blob.core.windows.net.evil.example/1.png", False),
        (f"{OWN}.evil.example/1.png", False),
        (f"{OWN}@169.254.169.254/latest/meta-data", False),
        (f"{OWN}:8443/1.png", False),
        ("https://user:word@api.acme-models.example/1.png", False),
        ("http://api.acme-models.example/1.png", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:8000/", False),
        ("file:///etc/passwd", False),
        ("//api.acme-models.example/1.png", False),
        ("https://api.acme-models.example\\@evil.example/", False),
        (f"{OWN}/a b.png", False),
        (f"{OWN}/\r\nhost: evil", False),
        ("https://[::1", False),
        ("https://api.acme-models.example:99999/", False),
        ("", False),
    ],
)
async def test_only_the_providers_own_places_are_asked(url: str, own: bool) -> None:
    provider, pictures = a_provider(), FakePictures({url: PNG})
    assert is_providers_own(provider, url) is own
    if own:
        assert await fetched(pictures.get, provider, url) == PNG
    else:
        with pytest.raises(PictureUnreachable):
            await fetched(pictures.get, provider, url)
        assert pictures.asked == []


async def answer(request: web.Request) -> web.Response:
    if request.path == "/elsewhere":
        raise web.HTTPFound("/1.png")
    if request.path != "/1.png":
        raise web.HTTPNotFound
    assert "authorization" not in request.headers
    return web.Response(body=PNG)


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_an_image_is_read_up_to_its_bound_and_redirects_lead_nowhere(origin: str) -> None:
    assert await get_picture(f"{origin}/1.png", len(PNG)) == PNG
    for url, bytes_max in ((f"{origin}/1.png", len(PNG) - 1), (f"{origin}/elsewhere", 99), (f"{origin}/gone", 99)):
        with pytest.raises(PictureUnreachable):
            await get_picture(url, bytes_max)
    provider = replace(a_provider(), base_url=f"{origin}/v1")
    assert await fetched(get_picture, provider, f"{origin}/1.png") == PNG


async def test_a_server_that_is_not_there_is_no_image() -> None:
    with pytest.raises(PictureUnreachable):
        await get_picture("http://127.0.0.1:1/1.png", 99)
