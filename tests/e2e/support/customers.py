"""A customer of a stack: an account, a key, and the calls that he makes with it."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import httpx

from tests.e2e.support.stack import LocalStack

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Customer:
    """Calls /v1 without any SDK."""

    stack: LocalStack
    account_id: str
    api_key: str
    key_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.stack.http.get(f"{self.stack.base_url}{path}", headers=self.headers | headers)

    def chat(self, model: str = "demo-chat", text: str = "one two three", **fields: Any) -> httpx.Response:
        return self.stack.http.post(
            f"{self.stack.base_url}/chat/completions", json=chat_body(model, text, **fields), headers=self.headers
        )

    def post(self, path: str, **request: Any) -> httpx.Response:
        """`request` as httpx takes it: json, data and files, content."""
        return self.stack.http.post(f"{self.stack.base_url}{path}", headers=self.headers, **request)

    def upload(self, data: bytes, content_type: str) -> str:
        """The id of an upload with its file in its place."""
        made = self.post("/uploads", json={"bytes": len(data), "content_type": content_type}).json()
        put = made["upload"]
        self.stack.http.put(put["url"], content=data, headers=put["headers"]).raise_for_status()
        return str(made["id"])

    def usage(self, response: httpx.Response) -> dict[str, Any]:
        """The usage row of the call that was answered so."""
        return self.usage_row(response.headers["x-request-id"])

    def usage_row(self, request_id: str) -> dict[str, Any]:
        answer = self.get(f"/usage/{request_id}")
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        return row

    def available(self) -> Decimal:
        return Decimal(self.balance()["available"])

    def charged(self, answer: httpx.Response, before: Decimal, *, overrun: bool = False) -> dict[str, Any]:
        """The usage row; the balance fell by exactly its cost since `before`, and nothing is held.

        `overrun`: the provider reported more than was set aside, which the row records and the customer does not pay.
        """
        row, balance = self.usage(answer), self.balance()
        assert before - Decimal(balance["available"]) == Decimal(row["cost"])
        assert (balance["in_flight"], Decimal(row["overrun"]) > 0) == ("0.000000000", overrun)
        return row

    def balance(self) -> dict[str, str]:
        found: dict[str, str] = self.get("/balance").json()
        return found


def chat_body(model: str = "demo-chat", text: str = "one two three", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def demo_customer(stack: LocalStack) -> Customer:
    """The account and key that `make run` prints."""
    return Customer(stack, stack.run["account_id"], stack.run["api_key"])


def new_customer(stack: LocalStack, credit: str, *key_options: str) -> Customer:
    """A new account with this credit in USD."""
    account_id = f"e2e-{next(_numbers)}"
    stack.cli("account", "create", "End to end", "--id", account_id, "--credit", credit)
    return new_key(stack, account_id, *key_options)


def new_key(stack: LocalStack, account_id: str, *options: str) -> Customer:
    made = stack.cli("key", "create", "e2e", "--account", account_id, *options)
    return Customer(stack, account_id, made["api_key"], made["key_id"])
