"""GetItem, PutItem, UpdateItem and DeleteItem on every driver: what is written, returned and refused."""

from typing import Any

import pytest

from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, RequestRejected

from .conditions import n, s
from .drivers import ACCOUNTS, TEXTS

ITEM_BYTES_MAX = 400 * 1024


async def put(driver: Driver, item: Item, **members: Any) -> dict[str, Any]:
    return await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": item, **members})


async def update(driver: Driver, pk: str, expression: str, **members: Any) -> dict[str, Any]:
    request = {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, "UpdateExpression": expression, **members}
    return await driver.call("UpdateItem", request)


async def delete(driver: Driver, pk: str, **members: Any) -> dict[str, Any]:
    return await driver.call("DeleteItem", {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, **members})


async def get(driver: Driver, pk: str, **members: Any) -> Item | None:
    request = {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, "ConsistentRead": True, **members}
    return (await driver.call("GetItem", request)).get("Item")


async def test_an_absent_item_is_read_as_none(driver: Driver, pk: str) -> None:
    assert await get(driver, pk) is None


async def test_a_projection_returns_what_is_there(driver: Driver, pk: str) -> None:
    await put(driver, {"pk": s(pk), "a": n(1), "b": n(2), "name": s("x")})
    names = {"#n": "name"}
    found = await get(driver, pk, ProjectionExpression="a, #n, absent", ExpressionAttributeNames=names)
    assert found == {"a": n(1), "name": s("x")}


@pytest.mark.parametrize("expression", ["a, a", "name", "a,", "#n", " "])
async def test_a_wrong_projection_is_refused(driver: Driver, pk: str, expression: str) -> None:
    with pytest.raises(RequestRejected):
        await get(driver, pk, ProjectionExpression=expression)


@pytest.mark.parametrize(
    "key",
    [{}, {"id": s("x")}, {"pk": n(1)}, {"pk": s("")}, {"pk": s("x"), "a": s("x")}, {"pk": {"BOOL": True}}],
    ids=str,
)
async def test_a_key_that_does_not_fit_is_refused(driver: Driver, key: Item) -> None:
    with pytest.raises(RequestRejected):
        await driver.call("GetItem", {"TableName": ACCOUNTS, "Key": key})
    with pytest.raises(RequestRejected):
        await driver.call("UpdateItem", {"TableName": ACCOUNTS, "Key": key})


async def test_half_a_key_is_refused(driver: Driver, pk: str) -> None:
    with pytest.raises(RequestRejected):
        await driver.call("GetItem", {"TableName": TEXTS, "Key": {"pk": s(pk)}})
    with pytest.raises(RequestRejected):
        await driver.call("PutItem", {"TableName": TEXTS, "Item": {"pk": s(pk), "a": n(1)}})


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem", "DeleteItem"])
async def test_an_unknown_table_is_refused(driver: Driver, pk: str, operation: str) -> None:
    member = "Item" if operation == "PutItem" else "Key"
    with pytest.raises(RequestRejected):
        await driver.call(operation, {"TableName": "no-such-table", member: {"pk": s(pk)}})


async def test_a_put_replaces_the_whole_item_and_returns_the_old_one(driver: Driver, pk: str) -> None:
    first = await put(driver, {"pk": s(pk), "a": n(1)}, ReturnValues="ALL_OLD")
    second = await put(driver, {"pk": s(pk), "b": n(2)}, ReturnValues="ALL_OLD")
    assert "Attributes" not in first
    assert second["Attributes"] == {"pk": s(pk), "a": n(1)}
    assert await get(driver, pk) == {"pk": s(pk), "b": n(2)}


@pytest.mark.parametrize("wanted", ["ALL_NEW", "UPDATED_NEW", "ALL"])
async def test_a_put_returns_nothing_but_the_old_item(driver: Driver, pk: str, wanted: str) -> None:
    with pytest.raises(RequestRejected):
        await put(driver, {"pk": s(pk)}, ReturnValues=wanted)


@pytest.mark.parametrize(
    "item", [{"a": n(1)}, {"pk": n(1)}, {"pk": s("")}, {"activity_shard": n(1)}, {"activity_bucket": s("x")}], ids=str
)
async def test_a_put_without_fitting_keys_is_refused(driver: Driver, pk: str, item: Item) -> None:
    whole = item if "a" in item or "pk" in item else {"pk": s(pk)} | item
    with pytest.raises(RequestRejected):
        await put(driver, whole)


async def test_a_failed_put_tells_the_old_item_only_when_asked(driver: Driver, pk: str) -> None:
    item = {"pk": s(pk), "a": n(1)}
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    await put(driver, item, **condition)
    with pytest.raises(ConditionFailed) as silent:
        await put(driver, {"pk": s(pk)}, **condition)
    with pytest.raises(ConditionFailed) as telling:
        await put(driver, {"pk": s(pk)}, **condition, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert silent.value.item is None
    assert telling.value.item == item
    assert await get(driver, pk) == item


async def test_a_failed_condition_on_no_item_tells_none(driver: Driver, pk: str) -> None:
    values = {":v": n(1)}
    with pytest.raises(ConditionFailed) as failed:
        await update(
            driver,
            pk,
            "SET a = :v",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues=values,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert failed.value.item is None
    assert await get(driver, pk) is None


async def test_an_update_makes_a_missing_item_when_the_condition_allows(driver: Driver, pk: str) -> None:
    answer = await update(
        driver,
        pk,
        "SET a = :v",
        ConditionExpression="attribute_not_exists(pk) AND attribute_not_exists(a)",
        ExpressionAttributeValues={":v": n(1)},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"] == {"pk": s(pk), "a": n(1)}


async def test_an_update_without_expression_makes_the_bare_item(driver: Driver, pk: str) -> None:
    await driver.call("UpdateItem", {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}})
    assert await get(driver, pk) == {"pk": s(pk)}


@pytest.mark.parametrize(
    ("wanted", "returned"),
    [
        ("NONE", None),
        ("ALL_OLD", {"a": n(1), "b": n(2)}),
        ("ALL_NEW", {"a": n(2), "c": n(1)}),
        ("UPDATED_OLD", {"a": n(1), "b": n(2)}),
        ("UPDATED_NEW", {"a": n(2), "c": n(1)}),
    ],
)
async def test_an_update_returns_what_was_asked(driver: Driver, pk: str, wanted: str, returned: Item | None) -> None:
    key = {"pk": s(pk)}
    await put(driver, key | {"a": n(1), "b": n(2)})
    values = {":v": n(1)}
    expression = "SET a = a + :v, c = :v REMOVE b"
    answer = await update(driver, pk, expression, ReturnValues=wanted, ExpressionAttributeValues=values)
    whole = {} if returned is None else returned | (key if wanted.startswith("ALL") else {})
    assert answer.get("Attributes", {}) == whole


@pytest.mark.parametrize("wanted", ["ALL_OLD", "UPDATED_OLD"])
async def test_an_update_of_no_item_has_no_old_values(driver: Driver, pk: str, wanted: str) -> None:
    values = {":v": n(1)}
    answer = await update(driver, pk, "SET a = :v", ReturnValues=wanted, ExpressionAttributeValues=values)
    assert "Attributes" not in answer


async def test_the_new_values_of_a_new_item_are_without_its_key(driver: Driver, pk: str) -> None:
    values = {":v": n(1)}
    answer = await update(driver, pk, "SET a = :v", ReturnValues="UPDATED_NEW", ExpressionAttributeValues=values)
    assert answer["Attributes"] == {"a": n(1)}


async def test_a_failed_update_changes_nothing(driver: Driver, pk: str) -> None:
    item = {"pk": s(pk), "a": n(1), "b": n(2)}
    await put(driver, item)
    with pytest.raises(ConditionFailed) as failed:
        await update(
            driver,
            pk,
            "SET a = a + :v REMOVE b",
            ConditionExpression="a = :w",
            ExpressionAttributeValues={":v": n(1), ":w": n(5)},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert failed.value.item == item
    assert await get(driver, pk) == item


async def test_a_wrong_request_is_refused_before_its_condition_is_looked_at(driver: Driver, pk: str) -> None:
    with pytest.raises(RequestRejected):
        await update(
            driver,
            pk,
            "SET a = :v",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":v": n(1), ":unused": n(2)},
        )


async def test_a_failed_condition_comes_before_an_impossible_sum(driver: Driver, pk: str) -> None:
    with pytest.raises(ConditionFailed):
        await update(
            driver,
            pk,
            "SET a = a + :v",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":v": n(1)},
        )


@pytest.mark.parametrize("member", ["ExpressionAttributeNames", "ExpressionAttributeValues"])
async def test_placeholders_may_be_left_out_but_not_be_empty(driver: Driver, pk: str, member: str) -> None:
    with pytest.raises(RequestRejected):
        await update(driver, pk, "REMOVE a", **{member: {}})


async def test_a_delete_returns_the_old_item_and_may_be_repeated(driver: Driver, pk: str) -> None:
    item = {"pk": s(pk), "a": n(1)}
    await put(driver, item)
    first = await delete(driver, pk, ReturnValues="ALL_OLD")
    second = await delete(driver, pk, ReturnValues="ALL_OLD")
    assert first["Attributes"] == item
    assert "Attributes" not in second
    assert await get(driver, pk) is None


async def test_a_conditional_delete_spares_the_item(driver: Driver, pk: str) -> None:
    item = {"pk": s(pk), "a": n(1)}
    await put(driver, item)
    with pytest.raises(ConditionFailed) as failed:
        await delete(
            driver,
            pk,
            ConditionExpression="a > :v",
            ExpressionAttributeValues={":v": n(1)},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert failed.value.item == item
    assert await get(driver, pk) == item


async def test_the_same_conditional_write_re_sent_fails_and_shows_its_own_work(driver: Driver, pk: str) -> None:
    async def reserve() -> dict[str, Any]:
        return await update(
            driver,
            pk,
            "SET avail = avail - :a, v = v + :one, #h = :a, #b = v",
            ConditionExpression="avail >= :a AND attribute_not_exists(#h)",
            ExpressionAttributeNames={"#h": "h_1", "#b": "b_1"},
            ExpressionAttributeValues={":a": n(30), ":one": n(1)},
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    await put(driver, {"pk": s(pk), "avail": n(100), "v": n(7)})
    first = await reserve()
    with pytest.raises(ConditionFailed) as again:
        await reserve()
    assert first["Attributes"] == {"pk": s(pk), "avail": n(70), "v": n(8), "h_1": n(30), "b_1": n(7)}
    assert again.value.item == first["Attributes"]


async def test_an_item_may_have_400_kb_and_not_a_byte_more(driver: Driver, pk: str) -> None:
    room = ITEM_BYTES_MAX - len("pk") - len(pk) - len("a")
    await put(driver, {"pk": s(pk), "a": s("x" * room)})
    with pytest.raises(RequestRejected):
        await put(driver, {"pk": s(pk), "a": s("x" * (room + 1))})
    with pytest.raises(RequestRejected):
        await update(driver, pk, "SET b = :v", ExpressionAttributeValues={":v": s("")})
    assert await get(driver, pk) == {"pk": s(pk), "a": s("x" * room)}


async def test_nothing_is_shared_with_the_callers_objects(driver: Driver, pk: str) -> None:
    item: Item = {"pk": s(pk), "a": {"M": {"x": {"L": [n(1)]}}}, "b": n(1)}
    value: Item = {":v": {"L": [n(2)]}}
    await put(driver, item)
    answer = await update(driver, pk, "SET c = :v", ExpressionAttributeValues=value, ReturnValues="ALL_NEW")
    item["a"]["M"]["x"]["L"].append(n(9))
    item["b"]["N"] = "9"
    value[":v"]["L"].append(n(9))
    answer["Attributes"]["a"]["M"]["x"]["L"].clear()
    expected = {"pk": s(pk), "a": {"M": {"x": {"L": [n(1)]}}}, "b": n(1), "c": {"L": [n(2)]}}
    assert await get(driver, pk) == expected
