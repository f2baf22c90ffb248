"""The items of the tables Balances, Credits and Usage, and every condition that guards money.

Balances has one item per account, with a pair of attributes per live hold; Credits one immutable row per top-up, grant,
adjustment or refund; Usage one immutable row per call, written once by whichever writer decides first.
"""

from collections.abc import Mapping
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Item
from multiconnection.usage import USAGE_COUNTS, USAGE_WORDS, Ended, Usage, UsageSource

from .models import ACTIVE, Account, AccountLimits, CreditRow, Hold, UsageRow, pack, unpack

INDEX = "by_activity"
# Partitions of the sparse index. More of them cost more queries per sweep and need no change elsewhere.
ACTIVITY_SHARDS = 4
_LIMITS = ("requests_per_minute", "tokens_per_minute", "in_flight_max")
_TEXTS = ("key_id", "model", "decided_by", "provider", "endpoint")
_NUMBERS = ("birth", "hold", "cost", "overrun", "price_version", "created_ms", "attempts", "duration_ms")
_MARKUP = "markup_basis_points"


def account_key(account_id: str) -> Item:
    """The key of an account's item; the only place to change if an account is ever spread over several items."""
    return {"account_id": a.text(account_id)}


def activity_shard(account_id: str) -> str:
    return str(sum(account_id.encode()) % ACTIVITY_SHARDS)


def reserve(table: str, hold: Hold, *, key_epoch: int, in_flight_max: int, activity_bucket: int) -> Mapping[str, Any]:
    """R: move the hold's amount from available to held and write the hold, if the account allows it."""
    names = {"#h": f"h_{hold.hold_id}", "#b": f"b_{hold.hold_id}", "#st": "st"}
    values = {
        ":a": a.number(hold.amount),
        ":one": a.number(1),
        ":h": a.text(pack(hold)),
        ":active": a.text(ACTIVE),
        ":ke": a.number(key_epoch),
        ":max": a.number(in_flight_max),
        ":ab": a.number(activity_bucket),
        ":as": a.text(activity_shard(hold.account_id)),
    }
    sets = (
        "avail = avail - :a, held = held + :a, nh = nh + :one, v = v + :one, "
        "#h = :h, #b = v, activity_bucket = :ab, activity_shard = :as"
    )
    condition = "#st = :active AND ke = :ke AND avail >= :a AND nh < :max AND attribute_not_exists(#h)"
    if hold.capped:
        names["#k"] = f"k_{hold.key_id}"
        sets += ", #k = #k - :a"
        condition += " AND #k >= :a"
    return _update(table, hold.account_id, f"SET {sets}", condition, names, values)


def apply(table: str, hold: Hold, cost: int, *, return_to_cap: bool) -> Mapping[str, Any]:
    """P: remove exactly the hold that was born at `hold.birth`, charge `cost` and return the rest."""
    names = {"#h": f"h_{hold.hold_id}", "#b": f"b_{hold.hold_id}"}
    values = {
        ":a": a.number(hold.amount),
        ":c": a.number(cost),
        ":rest": a.number(hold.amount - cost),
        ":one": a.number(1),
        ":bv": a.number(hold.birth),
    }
    sets = "held = held - :a, avail = avail + :rest, charged = charged + :c, nh = nh - :one, v = v + :one"
    condition = "#b = :bv"
    if return_to_cap:
        names["#k"] = f"k_{hold.key_id}"
        sets += ", #k = #k + :rest"
        condition += " AND attribute_exists(#k)"
    return _update(table, hold.account_id, f"SET {sets} REMOVE #h, #b", condition, names, values)


def create(table: str, account_id: str, name: str, created_s: int, limits: AccountLimits) -> Mapping[str, Any]:
    item = account_key(account_id) | {
        "name": a.text(name),
        "created": a.number(created_s),
        "st": a.text(ACTIVE),
        **{counter: a.number(0) for counter in ("credits_in", "avail", "held", "charged", "nh", "v", "ke", "nk")},
    }
    for field in _LIMITS:
        value = getattr(limits, field)
        if value is not None:
            item[field] = a.number(value)
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(account_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def credit(table: str, account_id: str, amount: int) -> Mapping[str, Any]:
    """The account's part of a credit; a negative amount never takes more than is available."""
    values = {":x": a.number(amount), ":one": a.number(1)}
    condition = "attribute_exists(account_id)"
    if amount < 0:
        values[":least"] = a.number(-amount)
        condition += " AND avail >= :least"
    return {
        "TableName": table,
        "Key": account_key(account_id),
        "UpdateExpression": "SET credits_in = credits_in + :x, avail = avail + :x, v = v + :one",
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def set_status(table: str, account_id: str, status: str) -> Mapping[str, Any]:
    return _update(
        table,
        account_id,
        "SET #st = :st, v = v + :one",
        "attribute_exists(account_id)",
        {"#st": "st"},
        {":st": a.text(status), ":one": a.number(1)},
    )


def forget_activity(table: str, account_id: str, activity_bucket: int) -> Mapping[str, Any]:
    """Take an account without live holds out of the sparse index, unless it became active meanwhile."""
    return _update(
        table,
        account_id,
        "SET v = v + :one REMOVE activity_shard, activity_bucket",
        "activity_bucket = :ab AND nh = :zero",
        {},
        {":ab": a.number(activity_bucket), ":zero": a.number(0), ":one": a.number(1)},
    )


def query_active(table: str, shard: int) -> Mapping[str, Any]:
    return {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "activity_shard = :shard",
        "ExpressionAttributeValues": {":shard": a.text(str(shard))},
    }


def scan_ids(table: str) -> Mapping[str, Any]:
    return {"TableName": table, "ProjectionExpression": "account_id"}


def parse_account(item: Item) -> Account:
    """The account image of an item; raises KeyError or ValueError on a malformed one."""
    account_id = a.read_text(item, "account_id")
    return Account(
        account_id=account_id,
        credits_in=a.read_number(item, "credits_in"),
        available=a.read_number(item, "avail"),
        held=a.read_number(item, "held"),
        charged=a.read_number(item, "charged"),
        live_holds=a.read_number(item, "nh"),
        version=a.read_number(item, "v"),
        status=a.read_text(item, "st"),
        key_epoch=a.read_number(item, "ke"),
        holds=_holds(account_id, item),
        key_caps={name[2:]: a.read_number(item, name) for name in item if name.startswith("k_")},
        name=a.read_text(item, "name"),
        created_s=a.read_number(item, "created"),
        activity_bucket=a.read_number_or_none(item, "activity_bucket"),
        limits=AccountLimits(*(a.read_number_or_none(item, field) for field in _LIMITS)),
    )


def _holds(account_id: str, item: Item) -> dict[str, Hold]:
    return {
        name[2:]: unpack(account_id, name[2:], value["S"], int(item[f"b_{name[2:]}"]["N"]))
        for name, value in item.items()
        if name.startswith("h_")
    }


def _update(
    table: str, account_id: str, update: str, condition: str, names: Mapping[str, str], values: Item
) -> Mapping[str, Any]:
    request: dict[str, Any] = {
        "TableName": table,
        "Key": account_key(account_id),
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return request | ({"ExpressionAttributeNames": dict(names)} if names else {})


def credit_key(account_id: str, credit_id: str) -> Item:
    return {"account_id": a.text(account_id), "credit_id": a.text(credit_id)}


def parse_credit(item: Item) -> CreditRow:
    return CreditRow(
        account_id=a.read_text(item, "account_id"),
        credit_id=a.read_text(item, "credit_id"),
        amount=a.read_number(item, "amount"),
        kind=a.read_text(item, "kind"),
        reason=a.read_text(item, "reason"),
        actor=a.read_text(item, "actor"),
        created_ms=a.read_number(item, "created_ms"),
    )


def put_once(table: str, row: CreditRow) -> Mapping[str, Any]:
    """The row's part of a credit."""
    return {
        "TableName": table,
        "Item": credit_key(row.account_id, row.credit_id)
        | {
            "amount": a.number(row.amount),
            "kind": a.text(row.kind),
            "reason": a.text(row.reason),
            "actor": a.text(row.actor),
            "created_ms": a.number(row.created_ms),
        },
        "ConditionExpression": "attribute_not_exists(account_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def usage_key(account_id: str, hold_id: str) -> Item:
    return {"account_id": a.text(account_id), "request_id": a.text(hold_id)}


def usage_item(row: UsageRow) -> Item:
    return {
        **usage_key(row.account_id, row.hold_id),
        **{name: a.text(getattr(row, name)) for name in _TEXTS},
        **{name: a.number(getattr(row, name)) for name in _NUMBERS},
        "usage": a.numbers(row.usage.nonzero()),
        **{name: a.text(value) for name, value in row.usage.words().items()},
        "usage_source": a.text(row.usage_source.value),
        "ended": a.text(row.ended.value),
        "streamed": a.flag(row.streamed),
        **({_MARKUP: a.number(row.markup_basis_points)} if row.markup_basis_points else {}),
        **({"secret": a.text(row.secret)} if row.secret else {}),
    }


def parse_usage(item: Item) -> UsageRow:
    usage: dict[str, Any] = {name: a.read_text(item, name) for name in USAGE_WORDS}
    usage |= {name: value for name, value in a.read_numbers(item, "usage").items() if name in USAGE_COUNTS}
    return UsageRow(
        account_id=a.read_text(item, "account_id"),
        hold_id=a.read_text(item, "request_id"),
        usage=Usage(**usage),
        usage_source=UsageSource(a.read_text(item, "usage_source")),
        ended=Ended(a.read_text(item, "ended")),
        streamed=a.read_flag(item, "streamed"),
        birth=a.read_number(item, "birth"),
        hold=a.read_number(item, "hold"),
        cost=a.read_number(item, "cost"),
        overrun=a.read_number(item, "overrun"),
        price_version=a.read_number(item, "price_version"),
        created_ms=a.read_number(item, "created_ms"),
        attempts=a.read_number(item, "attempts"),
        duration_ms=a.read_number(item, "duration_ms"),
        key_id=a.read_text(item, "key_id"),
        model=a.read_text(item, "model"),
        decided_by=a.read_text(item, "decided_by"),
        provider=a.read_text(item, "provider"),
        endpoint=a.read_text(item, "endpoint"),
        markup_basis_points=a.read_number_or_none(item, _MARKUP) or 0,
        secret=a.read_text(item, "secret"),
    )


def decide(table: str, row: UsageRow) -> Mapping[str, Any]:
    """D: put the row if there is none; a refusal returns the row that stands in the same round trip."""
    return {
        "TableName": table,
        "Item": usage_item(row),
        "ConditionExpression": "attribute_not_exists(account_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
