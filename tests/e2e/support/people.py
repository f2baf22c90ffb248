"""People at the stack's pages: a browser's cookies and headers, without a browser."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

MAIL_S = 20.0
PASSWORD = "correct horse battery"
_numbers = count(1)


@dataclass(slots=True)
class Visitor:
    """Sends what our own pages send; keeps the session's cookies, which httpx would not send without TLS."""

    stack: LocalStack
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.stack.base_url.removesuffix("/v1")

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """`request` as httpx takes it: json, params."""
        headers = {
            "x-mc-csrf": "1",
            "origin": self.origin,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        with httpx.Client(base_url=self.origin, timeout=60, trust_env=False) as http:
            answer = http.request(method, path, headers=headers, **request)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    def get(self, path: str, **params: str) -> Any:
        answer = self.request("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.request("POST", path, json=body)
        assert answer.status_code in (200, 201, 202, 204), answer.text
        return answer.json() if answer.content else None

    def sign_in(self, email: str, password: str) -> dict[str, Any]:
        """The user's part of the answer."""
        user: dict[str, Any] = self.post("/api/auth/sign-in", email=email, password=password)["user"]
        return user


def demo_user(stack: LocalStack) -> Visitor:
    """Signed in with what `make run` prints."""
    return _signed_in(stack, **stack.run["demo_user"])


def demo_admin(stack: LocalStack) -> Visitor:
    return _signed_in(stack, **stack.run["demo_admin"])


def new_person(stack: LocalStack) -> tuple[Visitor, str]:
    """Signed up, confirmed with the code on the mail page, signed in; and the address."""
    email, visitor = f"person-{next(_numbers)}@example.com", Visitor(stack)
    visitor.post("/api/auth/sign-up", email=email, password=PASSWORD, name="Person")
    visitor.post("/api/auth/confirm", email=email, code=mailed(stack, email)["code"], password=PASSWORD)
    visitor.sign_in(email, PASSWORD)
    return visitor, email


def mailed(stack: LocalStack, to: str, subject: str = "") -> dict[str, Any]:
    """The newest mail to this address with this in its subject, as the mail page has it."""
    url = f"{stack.run['mail_url']}mails.json"

    def newest() -> dict[str, Any] | None:
        mails = stack.http.get(url).json()
        return next((mail for mail in mails if mail["to"] == to and subject in mail["subject"]), None)

    found = until(newest, MAIL_S, f"a mail to {to}")
    assert found is not None
    return found


def _signed_in(stack: LocalStack, email: str, password: str) -> Visitor:
    visitor = Visitor(stack)
    visitor.sign_in(email, password)
    return visitor
