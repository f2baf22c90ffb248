"""Query and Scan on every driver: order, pages, sparse indexes."""

from collections.abc import Mapping
from typing import Any

import pytest

from multiconnection.aws.dynamo import Driver, Item, RequestRejected

from .conditions import n, s, shown
from .drivers import ACCOUNTS, INDEX, NUMBERS, SCANNED, TEXTS

WORDS = ("a", "ab", "abc", "abd", "b", "é")
FIGURES = (-100, -1, 0, 2, 10, 10**18, 10**18 + 1)


@pytest.fixture
async def words(driver: Driver, pk: str) -> str:
    for word in reversed(WORDS):
        await driver.call(
            "PutItem", {"TableName": TEXTS, "Item": {"pk": s(pk), "sk": s(word), "letters": n(len(word))}}
        )
    return pk


@pytest.fixture
async def figures(driver: Driver, pk: str) -> str:
    for figure in FIGURES:
        await driver.call("PutItem", {"TableName": NUMBERS, "Item": {"pk": s(pk), "sk": n(figure)}})
    return pk


def request(table: str, condition: str, values: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    query = {"TableName": table, "KeyConditionExpression": condition, "ExpressionAttributeValues": dict(values)}
    return query | members


async def pages(driver: Driver, operation: str, query: dict[str, Any]) -> list[list[Item]]:
    """All pages of a query; at most 100, so that a broken cursor ends."""
    found: list[list[Item]] = []
    start: Item | None = None
    for _ in range(100):
        page = await driver.call(operation, query | ({"ExclusiveStartKey": start} if start else {}))
        found.append(page["Items"])
        assert page["Count"] == len(page["Items"])
        if not (start := page.get("LastEvaluatedKey")):
            return found
    raise AssertionError("the pages do not end")


KEY_CONDITIONS: tuple[tuple[str, dict[str, Any], tuple[str, ...] | None], ...] = (
    ("pk = :p", {}, WORDS),
    ("pk = :p AND sk = :v", {":v": s("ab")}, ("ab",)),
    ("sk = :v AND pk = :p", {":v": s("ab")}, ("ab",)),
    ("pk = :p AND sk < :v", {":v": s("abc")}, ("a", "ab")),
    ("pk = :p AND sk <= :v", {":v": s("abc")}, ("a", "ab", "abc")),
    ("pk = :p AND sk > :v", {":v": s("abd")}, ("b", "é")),
    ("pk = :p AND sk >= :v", {":v": s("abd")}, ("abd", "b", "é")),
    ("pk = :p AND sk BETWEEN :v AND :w", {":v": s("ab"), ":w": s("abd")}, ("ab", "abc", "abd")),
    ("(pk = :p) AND (sk BETWEEN :v AND :w)", {":v": s("ac"), ":w": s("az")}, ()),
    ("pk = :p AND begins_with(sk, :v)", {":v": s("ab")}, ("ab", "abc", "abd")),
    ("pk = :p AND sk BETWEEN :v AND :w", {":v": s("b"), ":w": s("a")}, None),
    ("pk = :p AND sk <> :v", {":v": s("a")}, None),
    ("pk = :p AND sk IN (:v)", {":v": s("a")}, None),
    ("pk = :p OR sk = :v", {":v": s("a")}, None),
    ("NOT pk = :p", {}, None),
    ("pk = :p AND NOT sk = :v", {":v": s("a")}, None),
    ("pk = :p AND letters = :v", {":v": n(1)}, None),
    ("pk = :p AND sk = :v", {":v": n(1)}, None),
    ("pk = :p AND attribute_exists(sk)", {}, None),
    ("pk = :p AND sk > :v AND sk < :w", {":v": s("a"), ":w": s("b")}, None),
    ("pk = :p AND pk = :v", {":v": s("a")}, None),
    ("pk >= :p", {}, None),
    ("begins_with(pk, :p)", {}, None),
)


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    KEY_CONDITIONS,
    ids=[f"{case[0]} | {shown(case[1])}" if case[1] else case[0] for case in KEY_CONDITIONS],
)
async def test_a_key_condition_selects_a_range_or_is_refused(
    driver: Driver, words: str, condition: str, values: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    query = request(TEXTS, condition, {":p": s(words)} | values)
    if expected is None:
        with pytest.raises(RequestRejected):
            await driver.call("Query", query)
    else:
        answer = await driver.call("Query", query)
        assert [item["sk"]["S"] for item in answer["Items"]] == list(expected)
        assert "LastEvaluatedKey" not in answer


async def test_a_query_without_the_partition_is_refused(driver: Driver) -> None:
    with pytest.raises(RequestRejected):
        await driver.call("Query", request(TEXTS, "sk = :v", {":v": s("a")}))
    with pytest.raises(RequestRejected):
        await driver.call("Query", {"TableName": TEXTS})


async def test_the_other_way_round(driver: Driver, words: str) -> None:
    answer = await driver.call("Query", request(TEXTS, "pk = :p", {":p": s(words)}, ScanIndexForward=False))
    assert [item["sk"]["S"] for item in answer["Items"]] == list(reversed(WORDS))


async def test_numbers_are_ordered_as_numbers(driver: Driver, figures: str) -> None:
    answer = await driver.call("Query", request(NUMBERS, "pk = :p AND sk <= :v", {":p": s(figures), ":v": n(10**18)}))
    assert [int(item["sk"]["N"]) for item in answer["Items"]] == list(FIGURES[:-1])


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_pages_hold_every_item_once_and_in_order(driver: Driver, words: str, limit: int, forward: bool) -> None:
    query = request(TEXTS, "pk = :p", {":p": s(words)}, Limit=limit, ScanIndexForward=forward)
    found = await pages(driver, "Query", query)
    assert [item["sk"]["S"] for page in found for item in page] == list(WORDS if forward else reversed(WORDS))
    assert max(len(page) for page in found) <= limit


async def test_a_page_that_stops_at_its_limit_names_its_last_key(driver: Driver, words: str) -> None:
    condition = "pk = :p AND begins_with(sk, :v)"
    answer = await driver.call("Query", request(TEXTS, condition, {":p": s(words), ":v": s("ab")}, Limit=3))
    assert answer["LastEvaluatedKey"] == {"pk": s(words), "sk": s("abd")}


async def test_a_page_goes_on_after_a_key_that_is_gone(driver: Driver, words: str) -> None:
    start = {"pk": s(words), "sk": s("abc")}
    await driver.call("DeleteItem", {"TableName": TEXTS, "Key": start})
    answer = await driver.call("Query", request(TEXTS, "pk = :p", {":p": s(words)}, ExclusiveStartKey=start))
    assert [item["sk"]["S"] for item in answer["Items"]] == ["abd", "b", "é"]


async def test_a_filter_comes_after_the_limit(driver: Driver, words: str) -> None:
    values = {":p": s(words), ":n": n(1)}
    query = request(TEXTS, "pk = :p", values, FilterExpression="letters > :n", Limit=3, ProjectionExpression="sk")
    answer = await driver.call("Query", query)
    assert answer["Items"] == [{"sk": s("ab")}, {"sk": s("abc")}]
    assert (answer["Count"], answer["ScannedCount"]) == (2, 3)
    assert answer["LastEvaluatedKey"] == {"pk": s(words), "sk": s("abc")}


@pytest.mark.parametrize(
    "member",
    [
        {"Limit": 0},
        {"Limit": -1},
        {"IndexName": "none"},
        {"ExclusiveStartKey": {"pk": s("x")}},
        {"FilterExpression": "sk = :p"},
        {"FilterExpression": "sk ="},
        {"TableName": "no-such-table"},
    ],
    ids=str,
)
async def test_a_wrong_query_is_refused(driver: Driver, words: str, member: dict[str, Any]) -> None:
    with pytest.raises(RequestRejected):
        await driver.call("Query", request(TEXTS, "pk = :p", {":p": s(words)}) | member)


async def test_more_than_a_megabyte_comes_in_pages(driver: Driver, pk: str) -> None:
    keys = [f"{number:02}" for number in range(12)]
    for key in keys:
        item = {"pk": s(pk), "sk": s(key), "body": s("x" * 250_000)}
        await driver.call("PutItem", {"TableName": TEXTS, "Item": item})
    found = await pages(driver, "Query", request(TEXTS, "pk = :p", {":p": s(pk)}))
    assert [item["sk"]["S"] for page in found for item in page] == keys
    assert len(found) > 1


async def index_items(driver: Driver, shard: str, condition: str = "", **values: Any) -> list[Item]:
    values = {":s": s(shard)} | {f":{name}": value for name, value in values.items()}
    query = request(ACCOUNTS, f"activity_shard = :s{condition}", values, IndexName=INDEX)
    return [item for page in await pages(driver, "Query", query) for item in page]


async def test_an_item_is_in_the_index_while_it_has_all_its_keys(driver: Driver, pk: str) -> None:
    async def write(expression: str, **values: Any) -> None:
        update: dict[str, Any] = {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}, "UpdateExpression": expression}
        placeholders = {f":{name}": value for name, value in values.items()}
        await driver.call("UpdateItem", update | ({"ExpressionAttributeValues": placeholders} if values else {}))

    await write("SET a = :v, activity_bucket = :v", v=n(1))
    assert await index_items(driver, pk) == []
    await write("SET activity_shard = :s", s=s(pk))
    assert await index_items(driver, pk) == [{"pk": s(pk), "activity_shard": s(pk), "activity_bucket": n(1)}]
    await write("SET activity_bucket = activity_bucket + :v", v=n(1))
    assert await index_items(driver, pk) == [{"pk": s(pk), "activity_shard": s(pk), "activity_bucket": n(2)}]
    await write("SET activity_shard = :s", s=s(f"{pk}-other"))
    assert await index_items(driver, pk) == []
    assert await index_items(driver, f"{pk}-other") == [
        {"pk": s(pk), "activity_shard": s(f"{pk}-other"), "activity_bucket": n(2)}
    ]
    await write("REMOVE activity_bucket")
    assert await index_items(driver, f"{pk}-other") == []
    await write("SET activity_bucket = :v", v=n(3))
    assert len(await index_items(driver, f"{pk}-other")) == 1
    await driver.call("DeleteItem", {"TableName": ACCOUNTS, "Key": {"pk": s(pk)}})
    assert await index_items(driver, f"{pk}-other") == []


@pytest.fixture
async def shard(driver: Driver, pk: str) -> str:
    """Two items in each bucket of 1, 2, 10."""
    for bucket in (10, 1, 2):
        for name in ("x", "y"):
            key = {"pk": s(f"{pk}-{bucket}-{name}"), "activity_shard": s(pk), "activity_bucket": n(bucket)}
            await driver.call("PutItem", {"TableName": ACCOUNTS, "Item": key})
    return pk


async def test_an_index_is_ordered_by_its_own_sort_key(driver: Driver, shard: str) -> None:
    items = await index_items(driver, shard)
    assert [item["activity_bucket"]["N"] for item in items] == ["1", "1", "2", "2", "10", "10"]
    items = await index_items(driver, shard, " AND activity_bucket <= :v", v=n(2))
    assert [item["activity_bucket"]["N"] for item in items] == ["1", "1", "2", "2"]


@pytest.mark.parametrize("forward", [True, False])
async def test_pages_of_an_index_hold_every_item_once(driver: Driver, shard: str, forward: bool) -> None:
    members = {"IndexName": INDEX, "Limit": 1, "ScanIndexForward": forward}
    found = await pages(driver, "Query", request(ACCOUNTS, "activity_shard = :s", {":s": s(shard)}, **members))
    items = [item for page in found for item in page]
    buckets = ["1", "1", "2", "2", "10", "10"]
    assert [item["activity_bucket"]["N"] for item in items] == (buckets if forward else buckets[::-1])
    assert len({item["pk"]["S"] for item in items}) == 6


async def test_the_last_key_of_an_index_page_names_item_and_place(driver: Driver, shard: str) -> None:
    query = request(ACCOUNTS, "activity_shard = :s", {":s": s(shard)}, IndexName=INDEX, Limit=1)
    assert set((await driver.call("Query", query))["LastEvaluatedKey"]) == {"pk", "activity_shard", "activity_bucket"}


async def test_an_index_has_no_consistent_reads(driver: Driver, shard: str) -> None:
    query = request(ACCOUNTS, "activity_shard = :s", {":s": s(shard)}, IndexName=INDEX, ConsistentRead=True)
    with pytest.raises(RequestRejected):
        await driver.call("Query", query)


async def test_a_scan_finds_every_item_once(driver: Driver, pk: str) -> None:
    keys = {f"{pk}-{number}" for number in range(7)}
    for number, key in enumerate(sorted(keys)):
        active = {"activity_shard": s(pk)} if number % 2 else {}
        await driver.call("PutItem", {"TableName": SCANNED, "Item": {"pk": s(key), "a": n(1)} | active})
    every = {"TableName": SCANNED, "Limit": 3, "ProjectionExpression": "pk"}
    found = [item["pk"]["S"] for page in await pages(driver, "Scan", every) for item in page]
    assert sorted(key for key in found if key.startswith(pk)) == sorted(keys)
    indexed = {"TableName": SCANNED, "IndexName": INDEX, "Limit": 2}
    sparse = [
        item for page in await pages(driver, "Scan", indexed) for item in page if item["activity_shard"]["S"] == pk
    ]
    assert sorted(item["pk"]["S"] for item in sparse) == sorted(keys)[1::2]
    values = {":p": s(pk)}
    filtered = every | {"FilterExpression": "begins_with(pk, :p)", "ExpressionAttributeValues": values}
    assert {item["pk"]["S"] for page in await pages(driver, "Scan", filtered) for item in page} == keys
