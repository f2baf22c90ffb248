"""Receipts: what is taken for one, and that administrators see what was handed in, whatever is uploaded later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from multiconnection.errors import GatewayError, OrderConflict, OrderNotPending, RequestTooLarge, StorageUnavailable
from multiconnection.orders.models import Order
from multiconnection.orders.receipts import RECEIPT_BYTES_MAX, receipt_url
from tests.support.fake_objects import FakeObjects
from tests.support.orders_world import ADMIN, USER, OrdersWorld
from tests.support.virtual_time import START_S

pytestmark = pytest.mark.virtual_time


PNG, PDF = "image/png", "application/pdf"


@dataclass
class Watched(FakeObjects):
    """Something happens before the next call of an operation."""

    before: dict[str, Callable[[str], None]] = field(default_factory=dict)
    before_put: Callable[[], Awaitable[object]] | None = None

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        if self.before_put is not None:
            await self.before_put()
        await super().put(key, body, content_type)

    def _asked(self, operation: str, key: str) -> None:
        super()._asked(operation, key)
        if operation in self.before:
            self.before.pop(operation)(key)


@pytest.fixture
async def world() -> AsyncIterator[OrdersWorld]:
    world = OrdersWorld(objects=Watched)
    await world.open_account()
    yield world
    await world.stop()


def upload_key(order: Order) -> str:
    return f"receipts/{USER.account_id}/{order.order_id}"


def put(world: OrdersWorld, order: Order, body: bytes, kind: str = PNG) -> None:
    """What an upload URL lets its owner do at any time while it is good."""
    world.objects.objects[upload_key(order)] = (body, kind)


async def handed_in(world: OrdersWorld, order: Order) -> None:
    """A receipt uploaded through its URL and handed in."""
    await world.receipts.upload(USER.account_id, order.order_id, PNG, 4)
    await done(world, order)


async def done(world: OrdersWorld, order: Order) -> Order:
    return await world.receipts.done(USER.account_id, order.order_id)


async def shown(world: OrdersWorld, order: Order) -> tuple[bytes, str] | None:
    """What an administrator is shown; what is recorded of it is true."""
    order = await world.read(order)
    if order.receipt is None:
        return None
    url = await receipt_url(world.objects, order, order.receipt)
    async with world.objects.http() as http:
        answer = (await http.get(url)).raise_for_status()
    assert (len(answer.content), answer.headers["content-type"]) == (order.receipt.size, order.receipt.content_type)
    return answer.content, answer.headers["content-type"]


@pytest.mark.parametrize("kind", [PNG, "image/jpeg", "image/webp", PDF])
async def test_a_receipt_is_recorded_when_it_has_arrived(world: OrdersWorld, kind: str) -> None:
    order = await world.in_review()
    with pytest.raises(OrderConflict):
        await done(world, order)
    upload = await world.receipts.upload(USER.account_id, order.order_id, kind, 4)
    assert await world.objects.upload(upload.url, b"paid", kind) == 200
    await asyncio.sleep(5)
    receipt = (await done(world, order)).receipt
    assert receipt is not None
    assert (receipt.content_type, receipt.size, receipt.uploaded_s) == (kind, 4, int(world.clock.now()))
    assert await shown(world, order) == (b"paid", kind)
    original, copy = world.objects.objects
    assert original == upload_key(order)
    assert copy == f"{original}.{receipt.uploaded_s}-4.{kind.partition('/')[2]}"


async def test_what_is_uploaded_after_a_receipt_was_handed_in_is_not_shown(world: OrdersWorld) -> None:
    order = await world.in_review()
    upload = await world.receipts.upload(USER.account_id, order.order_id, PNG, 4)
    await world.objects.upload(upload.url, b"paid", PNG)
    await done(world, order)
    assert await world.objects.upload(upload.url, b"else", PNG) == 200, "the URL is good for a while"
    assert await shown(world, order) == (b"paid", PNG)
    await world.decisions.reject(ADMIN, order.order_id, "nothing arrived")
    assert await world.objects.upload(upload.url, b"more", PNG) == 200
    assert await shown(world, order) == (b"paid", PNG)


async def test_a_receipt_is_replaced_by_handing_in_another(world: OrdersWorld) -> None:
    order = await world.in_review()
    for body, kind in ((b"first", PNG), (b"second", PDF)):
        put(world, order, body, kind)
        await done(world, order)
        assert await shown(world, order) == (body, kind)


async def test_handing_in_again_is_the_same(world: OrdersWorld) -> None:
    order = await world.in_review()
    put(world, order, b"paid")
    first = await done(world, order)
    assert (await done(world, order)).receipt == first.receipt
    assert len(world.objects.objects) == 2


async def test_a_copy_is_never_replaced(world: OrdersWorld) -> None:
    order = await world.in_review()
    put(world, order, b"paid")
    await done(world, order)
    put(world, order, b"else")
    with pytest.raises(OrderConflict):
        await done(world, order)
    assert await shown(world, order) == (b"paid", PNG)
    await asyncio.sleep(1)
    await done(world, order)
    assert await shown(world, order) == (b"else", PNG)


@pytest.mark.parametrize(
    ("body", "kind"), [(b"longer", PNG), (b"else", PDF), (b"<script>", "text/html"), (b"", PNG), (None, PNG)]
)
async def test_a_file_exchanged_between_two_looks_is_recorded_as_it_is_shown(
    world: OrdersWorld, body: bytes | None, kind: str
) -> None:
    order = await world.in_review()
    put(world, order, b"paid")

    def exchange(key: str) -> None:
        if body is None:
            del world.objects.objects[key]
        else:
            world.objects.objects[key] = (body, kind)

    watched(world).before["get"] = exchange
    if not body:
        with pytest.raises(OrderConflict):
            await done(world, order)
        assert await shown(world, order) is None
    else:
        await done(world, order)
        assert await shown(world, order) == (body, PNG), "never as what it was not taken for"


async def test_a_file_that_grew_between_two_looks_is_refused(world: OrdersWorld) -> None:
    order = await world.in_review()
    put(world, order, b"paid")
    watched(world).before["get"] = lambda _: put(world, order, b"x" * (RECEIPT_BYTES_MAX + 1))
    with pytest.raises(RequestTooLarge):
        await done(world, order)
    assert await shown(world, order) is None


@pytest.mark.parametrize("operation", ["head", "get", "put", "presigned_put"])
async def test_a_bucket_that_is_down_is_a_503_and_records_nothing(world: OrdersWorld, operation: str) -> None:
    order = await world.in_review()
    put(world, order, b"paid")

    def fail(_: str) -> None:
        world.objects.down = True
        world.objects._asked(operation, "again")

    watched(world).before[operation] = fail
    with pytest.raises(StorageUnavailable):
        await handed_in(world, order)
    world.objects.down = False
    assert await shown(world, order) is None
    await done(world, order)
    assert await shown(world, order) == (b"paid", PNG)


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [
        ("image/svg+xml", 4, None),
        ("text/html", 4, None),
        (PDF, 0, None),
        (PDF, RECEIPT_BYTES_MAX + 1, "request_too_large"),
    ],
)
async def test_what_is_no_receipt_is_refused(world: OrdersWorld, kind: str, size: int, code: str | None) -> None:
    order = await world.in_review()
    with pytest.raises(GatewayError) as refused:
        await world.receipts.upload(USER.account_id, order.order_id, kind, size)
    assert refused.value.code == code
    # also when it got into the bucket somehow
    put(world, order, b"x" * size, kind)
    with pytest.raises(GatewayError):
        await done(world, order)
    assert (await world.read(order)).receipt is None
    assert len(world.objects.objects) == 1


async def decided(world: OrdersWorld, order: Order, how: str) -> None:
    if how == "approved":
        await world.approved(order)
    elif how == "credited":
        await world.settled(await world.approved(order))
    elif how == "rejected":
        await world.decisions.reject(ADMIN, order.order_id, "nothing arrived")
    elif how == "cancelled":
        await world.orders.cancel(USER.account_id, order.order_id)
    else:
        await asyncio.sleep(order.expires_s - START_S + 60)
        await world.settled(order)
    assert (await world.read(order)).status.value == how


@pytest.mark.parametrize("how", ["approved", "credited", "rejected", "cancelled", "expired"])
async def test_a_decided_order_takes_no_receipt(world: OrdersWorld, how: str) -> None:
    order = await world.in_review()
    put(world, order, b"paid")
    await done(world, order)
    await asyncio.sleep(1)
    await decided(world, order, how)
    put(world, order, b"late", PDF)
    for work in (world.receipts.upload(USER.account_id, order.order_id, PDF, 4), done(world, order)):
        with pytest.raises(OrderNotPending):
            await work
    assert await shown(world, order) == (b"paid", PNG)


async def test_a_decision_in_the_middle_keeps_what_was_looked_at(world: OrdersWorld) -> None:
    order = await world.in_review()
    put(world, order, b"paid")
    await done(world, order)
    await asyncio.sleep(1)
    put(world, order, b"late")
    watched(world).before_put = lambda: world.orders.cancel(USER.account_id, order.order_id)
    with pytest.raises(OrderNotPending):
        await done(world, order)
    assert await shown(world, order) == (b"paid", PNG)


def watched(world: OrdersWorld) -> Watched:
    assert isinstance(world.objects, Watched)
    return world.objects
