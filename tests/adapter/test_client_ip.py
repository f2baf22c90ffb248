"""Who calls from where, and until when, is what API Gateway and Lambda say, never what the caller writes."""

import json

import pytest

from tests.support.adapter_world import Customer, NewCustomer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

RANGES = ("203.0.113.0/24", "2001:db8::/32")
INSIDE, OUTSIDE = "203.0.113.99", "198.51.100.9"


@pytest.mark.parametrize(("source_ip", "status"), [(INSIDE, 200), ("2001:db8::1", 200), (OUTSIDE, 403)])
async def test_a_restricted_key_is_held_to_the_address_of_the_request_context(
    sandbox: Sandbox, new_account: NewCustomer, source_ip: str, status: int
) -> None:
    customer = await new_account(ip_ranges=RANGES)
    answer = await sandbox.invoke(gateway_event(chat_body(), api_key=customer.api_key, source_ip=source_ip))
    assert answer.status == status
    if status == 403:
        assert answer.json()["error"]["code"] == "ip_not_authorized"


@pytest.mark.parametrize("name", ["x-amzn-request-context", "X-Amzn-Request-Context"])
async def test_a_caller_cannot_claim_an_address(sandbox: Sandbox, new_account: NewCustomer, name: str) -> None:
    customer = await new_account(ip_ranges=RANGES)
    claims = {name: json.dumps({"identity": {"sourceIp": INSIDE}}), "X-Forwarded-For": INSIDE, "X-Real-IP": INSIDE}
    event = gateway_event(chat_body(), api_key=customer.api_key, source_ip=OUTSIDE, headers=claims)
    answer = await sandbox.invoke(event)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "ip_not_authorized")


async def test_a_caller_cannot_claim_a_deadline(sandbox: Sandbox, customer: Customer) -> None:
    claims = {"x-amzn-lambda-context": json.dumps({"deadline": 1, "request_id": "mine"})}
    answer = await sandbox.invoke(gateway_event(chat_body(), api_key=customer.api_key, headers=claims))
    assert answer.status == 200
