"""TransactWriteItems on every driver: all or nothing, and a reason for each action."""

from typing import Any
from uuid import uuid4

import pytest

from multiconnection.aws.dynamo import Driver, Item, RequestRejected, TransactionCancelled

from .conditions import n, s
from .drivers import ACCOUNTS, TEXTS

FINE: tuple[str, Item | None] = ("None", None)


def put_row(pk: str, sk: str = "row", **members: Any) -> dict[str, Any]:
    """The row of a credit: once."""
    return {
        "Put": {
            "TableName": TEXTS,
            "Item": {"pk": s(pk), "sk": s(sk), "amount": n(5)},
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **members,
        }
    }


def add_credit(pk: str, condition: str = "attribute_exists(pk)", **values: Any) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": ACCOUNTS,
            "Key": {"pk": s(pk)},
            "UpdateExpression": "SET avail = avail + :x, v = v + :one",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":x": n(5), ":one": n(1), **values},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def check(pk: str, condition: str, **members: Any) -> dict[str, Any]:
    return {
        "ConditionCheck": {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, "ConditionExpression": condition, **members}
    }


def delete(pk: str, **members: Any) -> dict[str, Any]:
    return {"Delete": {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, **members}}


async def transact(driver: Driver, *actions: dict[str, Any], **members: Any) -> None:
    await driver.call("TransactWriteItems", {"TransactItems": list(actions), **members})


async def reasons(driver: Driver, *actions: dict[str, Any]) -> list[tuple[str, Item | None]]:
    with pytest.raises(TransactionCancelled) as cancelled:
        await transact(driver, *actions)
    return list(cancelled.value.reasons)


@pytest.fixture
async def account(driver: Driver, pk: str) -> Item:
    item = {"pk": s(pk), "avail": n(100), "v": n(1)}
    await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": item})
    return item


async def read(driver: Driver, pk: str) -> Item | None:
    key = {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, "ConsistentRead": True}
    return (await driver.call("GetItem", key)).get("Item")


async def read_row(driver: Driver, pk: str, sk: str = "row") -> Item | None:
    key = {"TableName": TEXTS, "Key": {"pk": s(pk), "sk": s(sk)}, "ConsistentRead": True}
    return (await driver.call("GetItem", key)).get("Item")


async def test_all_actions_are_applied_together(driver: Driver, pk: str, account: Item) -> None:
    other = uuid4().hex
    await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": {"pk": s(other)}})
    await transact(driver, put_row(pk), add_credit(pk), delete(other), check(uuid4().hex, "attribute_not_exists(pk)"))
    assert await read_row(driver, pk) == {"pk": s(pk), "sk": s("row"), "amount": n(5)}
    assert await read(driver, pk) == account | {"avail": n(105), "v": n(2)}
    assert await read(driver, other) is None


async def test_a_failed_put_cancels_the_update_and_shows_the_row(driver: Driver, pk: str, account: Item) -> None:
    await transact(driver, put_row(pk), add_credit(pk))
    row = {"pk": s(pk), "sk": s("row"), "amount": n(5)}
    assert await reasons(driver, put_row(pk), add_credit(pk)) == [("ConditionalCheckFailed", row), FINE]
    assert await read(driver, pk) == account | {"avail": n(105), "v": n(2)}


async def test_a_failed_update_cancels_the_put_and_shows_the_account(driver: Driver, pk: str, account: Item) -> None:
    actions = (put_row(pk), add_credit(pk, "avail >= :least", **{":least": n(101)}))
    assert await reasons(driver, *actions) == [FINE, ("ConditionalCheckFailed", account)]
    assert await read_row(driver, pk) is None
    assert await read(driver, pk) == account


async def test_every_failed_condition_is_reported(driver: Driver, pk: str, account: Item) -> None:
    missing = uuid4().hex
    found = await reasons(
        driver,
        add_credit(pk, "v = :zero", **{":zero": n(0)}),
        put_row(pk),
        add_credit(missing),
        check(uuid4().hex, "attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
    )
    failed = "ConditionalCheckFailed"
    assert found == [(failed, account), FINE, (failed, None), (failed, None)]
    assert await read_row(driver, pk) is None


async def test_items_are_shown_only_to_those_who_ask(driver: Driver, pk: str, account: Item) -> None:
    found = await reasons(driver, check(pk, "attribute_not_exists(pk)"), put_row(pk))
    assert found == [("ConditionalCheckFailed", None), FINE]


async def test_a_failed_delete_shows_the_item(driver: Driver, pk: str, account: Item) -> None:
    members = {"ConditionExpression": "v > :v", "ExpressionAttributeValues": {":v": n(1)}}
    found = await reasons(driver, delete(pk, **members, ReturnValuesOnConditionCheckFailure="ALL_OLD"), put_row(pk))
    assert found == [("ConditionalCheckFailed", account), FINE]
    assert await read(driver, pk) == account


async def test_a_check_shows_the_item(driver: Driver, pk: str, account: Item) -> None:
    members = {"ExpressionAttributeValues": {":v": n(2)}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    found = await reasons(driver, put_row(pk), check(pk, "v = :v", **members))
    assert found == [FINE, ("ConditionalCheckFailed", account)]
    assert await read_row(driver, pk) is None


async def test_a_sum_on_a_missing_attribute_cancels_with_a_validation_error(driver: Driver, pk: str) -> None:
    await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": {"pk": s(pk)}})
    assert await reasons(driver, put_row(pk), add_credit(pk)) == [FINE, ("ValidationError", None)]
    assert await read_row(driver, pk) is None


async def test_an_unconditional_update_makes_a_missing_item(driver: Driver, pk: str) -> None:
    key = {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}}
    update = {"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": n(1)}}
    await transact(driver, {"Update": key | update}, put_row(pk))
    assert await read(driver, pk) == {"pk": s(pk), "a": n(1)}


async def test_two_actions_on_one_item_are_refused(driver: Driver, pk: str, account: Item) -> None:
    with pytest.raises(RequestRejected):
        await transact(driver, check(pk, "attribute_exists(pk)"), add_credit(pk))
    assert await read(driver, pk) == account


async def test_a_wrong_action_refuses_the_whole_before_any_condition(driver: Driver, pk: str) -> None:
    with pytest.raises(RequestRejected):
        await transact(driver, add_credit(pk), put_row(pk, ExpressionAttributeValues={":unused": n(1)}))
    assert await read_row(driver, pk) is None


async def test_an_unknown_table_refuses_the_whole(driver: Driver, pk: str, account: Item) -> None:
    with pytest.raises(RequestRejected):
        await transact(driver, add_credit(pk), put_row(pk, TableName="no-such-table"))
    assert await read(driver, pk) == account


async def test_an_empty_transaction_is_refused(driver: Driver) -> None:
    with pytest.raises(RequestRejected):
        await transact(driver)


async def test_a_check_without_condition_is_refused(driver: Driver, pk: str) -> None:
    with pytest.raises(RequestRejected):
        await transact(driver, {"ConditionCheck": {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}}})


async def test_a_hundred_actions_are_the_most(driver: Driver, pk: str) -> None:
    actions = [put_row(pk, f"{number:03}") for number in range(101)]
    with pytest.raises(RequestRejected):
        await transact(driver, *actions)
    await transact(driver, *actions[:100])
    assert await read_row(driver, pk, "099") is not None
    assert await read_row(driver, pk, "100") is None


async def test_the_same_token_applies_once(driver: Driver, pk: str, account: Item) -> None:
    token = uuid4().hex
    for _ in range(2):
        await transact(driver, put_row(pk), add_credit(pk), ClientRequestToken=token)
    assert await read(driver, pk) == account | {"avail": n(105), "v": n(2)}


async def test_a_token_belongs_to_one_request(driver: Driver, pk: str, account: Item) -> None:
    token = uuid4().hex
    await transact(driver, put_row(pk), add_credit(pk), ClientRequestToken=token)
    with pytest.raises(RequestRejected):
        await transact(driver, put_row(pk, "other"), add_credit(pk), ClientRequestToken=token)
    assert await read(driver, pk) == account | {"avail": n(105), "v": n(2)}


async def test_a_cancelled_transaction_may_be_sent_again_under_its_token(driver: Driver, pk: str) -> None:
    token = uuid4().hex
    with pytest.raises(TransactionCancelled):
        await transact(driver, put_row(pk), add_credit(pk), ClientRequestToken=token)
    await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": {"pk": s(pk), "avail": n(0), "v": n(0)}})
    await transact(driver, put_row(pk), add_credit(pk), ClientRequestToken=token)
    assert await read(driver, pk) == {"pk": s(pk), "avail": n(5), "v": n(1)}
