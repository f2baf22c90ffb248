"""DynamoDB expressions against moto, in process: a second opinion on what our own in-memory table says."""

from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from multiconnection.aws.dynamo import ConditionFailed, TransactionCancelled


class MotoDriver:
    """Implements `Driver`; only the refusals that our conditions cause are translated."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**payload)
        except ClientError as exc:
            response: Mapping[str, Any] = exc.response
            if response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise ConditionFailed(response.get("Item")) from exc
            if response["Error"]["Code"] == "TransactionCanceledException":
                reasons = response["CancellationReasons"]
                raise TransactionCancelled([(r.get("Code", "None"), r.get("Item")) for r in reasons]) from exc
            raise
        return answer


def create_table(client: BaseClient, name: str, hash_key: str, index: tuple[str, str, str] | None = None) -> None:
    """`index` is (name, hash, range), with all attributes."""
    keys = [hash_key, *(index[1:] if index else ())]
    table: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": hash_key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
    }
    if index:
        schema = [{"AttributeName": index[1], "KeyType": "HASH"}, {"AttributeName": index[2], "KeyType": "RANGE"}]
        table["GlobalSecondaryIndexes"] = [
            {"IndexName": index[0], "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
        ]
    client.create_table(**table)  # type: ignore[attr-defined]
