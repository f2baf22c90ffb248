"""The local stack's mail page: newest first, nothing in a mail becomes markup."""

import httpx

from local.mailbox import Mail, mailbox

OLD = Mail("ada@example.com", "Your code", "Your code is 123456.", "2026-11-22T10:00:00")
NEW = Mail(
    "<b>eve@example.com</b>", "<script>alert(1)</script>", "Order 1234567 & <i>no code</i>", "2026-11-22T11:00:00"
)


def client(*mails: Mail) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=mailbox(lambda: list(mails))), base_url="http://mail")


async def test_the_page_shows_texts_as_texts() -> None:
    async with client(NEW, OLD) as http:
        page = (await http.get("/")).text
    assert page.index("alert(1)") < page.index("123456.")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for markup in ("<script>", "<b>", "<i>"):
        assert markup not in page


async def test_tests_read_the_codes() -> None:
    async with client(NEW, OLD) as http:
        listed = (await http.get("/mails.json")).json()
    assert [mail["code"] for mail in listed] == [None, "123456"]
    assert listed[1]["to"] == "ada@example.com"


async def test_an_empty_mailbox_says_so() -> None:
    async with client() as http:
        assert "No mail yet." in (await http.get("/")).text
