"""Every public page through the app: content, headers, prefixes, refusals."""

import re
from typing import Any

import httpx
import pytest
from mangum.handlers.utils import handle_base64_response_body

from multiconnection.errors import UrlUnknown
from multiconnection.retry import StoreError
from multiconnection.site.pages import SiteConfig
from multiconnection.site.render import TEXT_MEDIA_TYPES, content_security_policy
from tests.support.assertions import assert_error
from tests.support.site_app import ENTITY, SiteWorld, site_app, site_client

PAGES = [
    *("/", "/models", "/models/m-1", "/models/acme/m-2:free", "/docs", "/status"),
    *("/sign-in", "/sign-up", "/verify", "/forgot", "/reset"),
    *("/console", "/console/keys", "/console/billing/orders/ord_1", "/admin", "/admin/orders"),
]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' https://bucket.example; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)


async def get(path: str, host: str = "gateway.example", **headers: str) -> httpx.Response:
    async with site_client(host=host) as http:
        return await http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def links(html: str) -> set[str]:
    return set(re.findall(r'(?:href|src)="([^"#]+)"', html))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_html_that_keeps_to_itself(path: str) -> None:
    response = await get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in response.headers["permissions-policy"]
    assert response.headers["cache-control"] == "no-cache"
    assert "strict-transport-security" not in response.headers
    assert "<script>" not in response.text


def test_without_a_bucket_only_our_own_host_may_be_called() -> None:
    assert "connect-src 'self';" in content_security_policy(None)


async def test_over_https_the_browser_is_told_to_stay_there() -> None:
    assert (await get("/", x_forwarded_proto="https")).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_that_the_visitor_has_is_not_sent_again(path: str) -> None:
    first = await get(path)
    again = await get(path, if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await get(path, if_none_match='W/"other"')).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_every_file_that_a_page_names_is_there_for_a_year(path: str) -> None:
    assets = {link for link in links((await get(path)).text) if link.startswith("/assets/")}
    assert assets
    for link in assets:
        response = await get(link)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", PAGES)
async def test_every_link_of_a_page_leads_somewhere(path: str) -> None:
    api = {"/api/models"}
    for link in links((await get(path)).text):
        if link not in api:
            assert (await get(link.replace("&amp;", "&"))).status_code == 200, link


async def test_an_old_file_is_gone() -> None:
    assert_error(await get("/assets/js-console-app.0000000000.js"), UrlUnknown.code, 404)


async def test_names_are_shown_and_never_run() -> None:
    for path in ("/", "/models", "/models/m-1"):
        text = (await get(path)).text
        assert "<script>alert(1)" not in text
        assert "&lt;script&gt;alert(1)" in text
    assert "EXAMPLE HOLDING &lt;PTE&gt; LTD." in (await get("/")).text


async def test_a_hostile_search_is_shown_and_never_run() -> None:
    assert '"><img' not in (await get('/models?q="><img src=x onerror=alert(1)>')).text


async def test_the_visitors_own_host_is_filled_in() -> None:
    response = await get("/docs", host="my.example:8443")
    assert "http://my.example:8443/v1" in response.text
    assert "https://my.example:8443/v1" in (await get("/docs", host="my.example:8443", x_forwarded_proto="https")).text


@pytest.mark.parametrize("host", ['x"><script>', "a b", "ev/il", "user@evil.example", "a.example\\b", "x" * 256])
async def test_a_host_that_is_none_is_never_shown(host: str) -> None:
    response = await get("/docs", Host=host)
    assert response.status_code == 200
    assert host not in response.text
    assert ">/v1</code>" in response.text


async def test_a_configured_base_url_wins() -> None:
    async with site_client(SiteWorld(SiteConfig(ENTITY, "0", "https://api.example/v1"))) as http:
        text = (await http.get("/docs")).text
        about = (await http.get("/api/site")).json()
    assert "https://api.example/v1" in text
    assert "gateway.example" not in text
    assert about["base_url"] == "https://api.example/v1"


async def test_the_theme_of_the_cookie_is_in_the_page() -> None:
    assert 'data-theme="dark"' in (await get("/", cookie="a=b; mc_theme=dark")).text
    assert "data-theme=" not in (await get("/", cookie='mc_theme="><x')).text.replace("data-theme-toggle", "")
    assert (await get("/")).headers["vary"] == "cookie"


async def test_the_price_table_shows_each_kind_of_price() -> None:
    text = (await get("/models")).text
    for shown in ("$0.075", "$0.30", "$0.005 to $0.036 per image", "$15.00 per 1M characters", "$0.006 per minute"):
        assert shown in text


async def test_search_kind_and_order_work_without_scripts() -> None:
    def rows(text: str) -> list[tuple[str, bool]]:
        found = re.findall(r'<tr data-kind="[^>]*data-text="(\S+) [^>]*?( hidden)?>', text)
        return [(name, bool(hidden)) for name, hidden in found]

    assert [name for name, hidden in rows((await get("/models?q=CHEAP+acme")).text) if not hidden] == ["acme/m-2:free"]
    assert [name for name, hidden in rows((await get("/models?kind=speech")).text) if not hidden] == ["voice"]
    assert [name for name, _ in rows((await get("/models?sort=input")).text)][:2] == ["acme/m-2:free", "m-1"]
    assert [name for name, _ in rows((await get("/models?sort=-input")).text)][:2] == ["m-1", "acme/m-2:free"]
    assert len(rows((await get("/models?sort=nonsense&kind=nonsense")).text)) == 5


async def test_an_alias_has_the_page_of_its_model() -> None:
    response = await get("/models/m-1-latest")
    assert response.status_code == 200
    assert response.text == (await get("/models/m-1")).text


@pytest.mark.parametrize("path", ["/models/none", "/nothing", "/nothing/below"])
async def test_people_get_a_page_for_a_broken_link(path: str) -> None:
    response = await get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-request-id"] in response.text
    assert "etag" not in response.headers


@pytest.mark.parametrize("path", ["/models", "/models/m-1", "/chat/completions"])
async def test_programs_with_a_wrong_base_url_get_a_hint(path: str) -> None:
    error = assert_error(await get(path, accept="application/json"), UrlUnknown.code, 404)
    assert "ends in /v1" in error["message"]


async def test_below_the_api_nobody_gets_a_page() -> None:
    assert_error(await get("/api/nothing"), UrlUnknown.code, 404)
    assert_error(await get("/v1/nothing"), UrlUnknown.code, 404)


@pytest.mark.parametrize("path", ["/", "/models", "/models/m-1", "/docs", "/status"])
async def test_without_a_catalog_people_are_told(path: str) -> None:
    world = SiteWorld()
    world.models.failure = StoreError("down")
    async with site_client(world) as http:
        response = await http.get(path)
    assert response.status_code == 503
    assert "cannot be read at the moment" in response.text


async def test_the_console_opens_without_a_catalog() -> None:
    world = SiteWorld()
    world.models.failure = StoreError("down")
    async with site_client(world) as http:
        assert (await http.get("/console")).status_code == 200


async def test_the_state_of_each_provider_is_shown() -> None:
    text = (await get("/status")).text
    assert "Operational" in text
    assert "Down" in text
    about = (await get("/api/site")).json()
    assert about["status"] == [{"provider": "one", "state": "ok"}, {"provider": "two", "state": "down"}]
    assert (about["legal_entity"], about["test_credit"]) == (ENTITY, "1.00")


async def test_robots_stay_out_of_the_console() -> None:
    response = await get("/robots.txt")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "Disallow: /console\n" in response.text


def event(path: str, whole: str) -> dict[str, Any]:
    """As API Gateway sends it: `path` without the stage, `whole` with it."""
    return {
        "resource": "/{page+}",
        "path": path,
        "httpMethod": "GET",
        "headers": {"Host": "x1.execute-api.example", "X-Forwarded-Proto": "https", "Accept": "text/html"},
        "multiValueHeaders": None,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"path": whole, "stage": "prod", "identity": {"sourceIp": "192.0.2.1"}},
        "body": None,
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("path", "whole", "prefix"),
    [
        ("/docs", "/prod/docs", "/prod"),
        ("/docs", "/docs", ""),
        ("/docs", '/a"b/docs', ""),
        ("/", "/prod/", "/prod"),
        ("/", "/prod", "/prod"),
        ("/", "/", ""),
    ],
)
async def test_below_a_stage_every_link_has_the_stage(path: str, whole: str, prefix: str) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "https",
        "headers": [(b"host", b"x1.execute-api.example")],
        "client": ("192.0.2.1", 0),
        "server": ("x1.execute-api.example", 443),
        "root_path": "",
        "aws.event": event(path, whole),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await site_app()(scope, receive, send)
    html = b"".join(message.get("body", b"") for message in sent).decode()
    assert f"https://x1.execute-api.example{prefix}/v1" in html
    inner = {link for link in links(html) if link.startswith("/")}
    assert inner
    assert all(link.startswith(f"{prefix}/") for link in inner)
    assert f'data-base="{prefix}"' in html


def test_a_picture_leaves_the_function_as_text() -> None:
    """Mangum decides by media type alone; base64 would reach the browser as it is."""
    body, in_base64 = handle_base64_response_body(b"<svg/>", {"content-type": "image/svg+xml"}, TEXT_MEDIA_TYPES)
    assert (body, in_base64) == ("<svg/>", False)


async def test_the_error_table_of_the_docs_shows_code_as_code() -> None:
    table = (await get("/docs")).text.partition('id="errors"')[2].partition("</table>")[0]
    assert "<code>affordable_max_tokens</code>" in table
    assert "`" not in table
