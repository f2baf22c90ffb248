"""Each condition, update expression and number alone, on every driver."""

from typing import Any

import pytest

from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, RequestRejected

from .conditions import CONDITIONS, ITEM, ConditionCase
from .drivers import ACCOUNTS
from .numbers import NUMBERS, NumberCase
from .updates import UPDATES, UpdateCase


def _placeholders(case: ConditionCase | UpdateCase) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if case.values:
        found["ExpressionAttributeValues"] = case.values
    if case.names:
        found["ExpressionAttributeNames"] = case.names
    return found


async def _item(driver: Driver, pk: str) -> Item | None:
    answer = await driver.call("GetItem", {"TableName": ACCOUNTS, "Key": {"pk": {"S": pk}}, "ConsistentRead": True})
    return answer.get("Item")


@pytest.mark.parametrize("case", CONDITIONS, ids=lambda case: case.name)
async def test_a_condition_holds_fails_or_is_refused(driver: Driver, pk: str, case: ConditionCase) -> None:
    item = ITEM | {"pk": {"S": pk}}
    await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": item})
    request = {
        "TableName": ACCOUNTS,
        "Item": {"pk": {"S": pk}, "rewritten": {"BOOL": True}},
        "ConditionExpression": case.expression,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **_placeholders(case),
    }
    if case.holds is None:
        with pytest.raises(RequestRejected):
            await driver.call("PutItem", request)
    elif not case.holds:
        with pytest.raises(ConditionFailed) as failed:
            await driver.call("PutItem", request)
        assert failed.value.item == item
    else:
        await driver.call("PutItem", request)
    assert await _item(driver, pk) == (request["Item"] if case.holds else item)


@pytest.mark.parametrize("case", UPDATES, ids=lambda case: case.name)
async def test_an_update_writes_or_is_refused(driver: Driver, pk: str, case: UpdateCase) -> None:
    key: Item = {"pk": {"S": pk}}
    if case.before is not None:
        await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": key | case.before})
    request = {
        "TableName": ACCOUNTS,
        "Key": key,
        "UpdateExpression": case.expression,
        "ReturnValues": "ALL_NEW",
        **_placeholders(case),
    }
    if case.after is None:
        with pytest.raises(RequestRejected):
            await driver.call("UpdateItem", request)
        assert await _item(driver, pk) == (None if case.before is None else key | case.before)
    else:
        assert (await driver.call("UpdateItem", request))["Attributes"] == key | case.after
        assert await _item(driver, pk) == key | case.after


@pytest.mark.parametrize("case", NUMBERS, ids=lambda case: case.name)
async def test_a_number_is_exact_or_refused(driver: Driver, pk: str, case: NumberCase) -> None:
    request = {"TableName": ACCOUNTS, "Item": {"pk": {"S": pk}, "a": {"N": case.name}}}
    if case.stored is None:
        with pytest.raises(RequestRejected):
            await driver.call("PutItem", request)
    else:
        await driver.call("PutItem", request)
        found = await _item(driver, pk)
        assert found is not None
        assert found["a"] == {"N": case.stored}
