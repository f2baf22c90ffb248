"""The local stack's mails, on a page: nothing is sent, MiniStack keeps what it would have sent."""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local.processes import HOST

TIMEOUT_S = 5
MAILS_SHOWN_MAX = 200
_CODE = re.compile(r"\b\d{6}\b")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Local mailbox</title>
<style>body{{font:15px system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}}
article{{border:1px solid #8886;border-radius:8px;padding:12px 16px;margin:12px 0}}pre{{white-space:pre-wrap}}
h2{{font-size:16px;margin:0}}p{{margin:4px 0;opacity:.75}}</style>
<h1>Local mailbox</h1><p>What the local stack would have mailed since its start, newest first.</p>{}</html>"""
_MAIL = "<article><h2>{subject}</h2><p>to {to} at {at}</p><pre>{text}</pre></article>"


@dataclass(frozen=True, slots=True)
class Mail:
    """`at` is an ISO time; `code` is the six digits in it, if there are any."""

    to: str
    subject: str
    text: str
    at: str

    @property
    def code(self) -> str | None:
        found = _CODE.search(self.text)
        return found.group() if found else None


def mails(endpoint_url: str) -> list[Mail]:
    """Newest first. Raises httpx.HTTPError."""
    answer = httpx.get(f"{endpoint_url}/_ministack/ses/messages", timeout=TIMEOUT_S, trust_env=False)
    answer.raise_for_status()
    entries = [entry for of_account in answer.json()["messages"].values() for entry in of_account]
    found = sorted((_mail(entry) for entry in reversed(entries)), key=lambda mail: mail.at, reverse=True)
    return found[:MAILS_SHOWN_MAX]


def mailbox(read: Callable[[], list[Mail]]) -> Starlette:
    """`/` for people and `/mails.json` for tests."""

    def page(_: Request) -> Response:
        shown = "".join(
            _MAIL.format(subject=escape(mail.subject), to=escape(mail.to), at=escape(mail.at), text=escape(mail.text))
            for mail in read()
        )
        return HTMLResponse(_PAGE.format(shown or "<p>No mail yet.</p>"))

    def listed(_: Request) -> Response:
        return JSONResponse(
            [{"to": m.to, "subject": m.subject, "text": m.text, "at": m.at, "code": m.code} for m in read()]
        )

    return Starlette(routes=[Route("/", page), Route("/mails.json", listed)])


def _mail(entry: dict[str, Any]) -> Mail:
    text = entry.get("BodyText") or re.sub(r"<[^>]+>", " ", entry.get("BodyHtml") or "")
    at = datetime.fromtimestamp(float(entry["Timestamp"]), UTC).isoformat(timespec="milliseconds")
    return Mail(", ".join(entry.get("To", [])), entry.get("Subject", ""), text, at)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoint", required=True, help="where MiniStack listens")
    options = parser.parse_args()
    app = mailbox(lambda: mails(options.endpoint))
    uvicorn.run(app, host=HOST, port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
