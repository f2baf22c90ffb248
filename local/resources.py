"""Creating what template.yaml declares, tables, queues and buckets, on a local AWS; existing ones are kept."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local.aws import client
from local.template import BucketSpec, QueueSpec, TableSpec, Template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Clients:
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    s3: "S3Client"


def clients(endpoint_url: str, region: str) -> Clients:
    return Clients(
        dynamodb=client("dynamodb", endpoint_url, region),
        sqs=client("sqs", endpoint_url, region),
        s3=client("s3", endpoint_url, region),
    )


def create(template: Template, aws: Clients, prefix: str = "multiconnection") -> dict[str, str]:
    """Logical id → what `Ref` of it gives: table name, queue URL, bucket name. May be repeated at any time."""
    return {
        **_create_tables(template.tables(), aws.dynamodb, prefix),
        **_create_queues(template.queues(), aws.sqs, prefix),
        **_create_buckets(template.buckets(), aws.s3, prefix),
    }


def _create_tables(specs: list[TableSpec], dynamodb: "DynamoDBClient", prefix: str) -> dict[str, str]:
    names = {spec.logical_id: f"{prefix}-{spec.logical_id.removesuffix('Table')}" for spec in specs}
    present = {name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]}
    for spec in specs:
        name = names[spec.logical_id]
        if name not in present:
            dynamodb.create_table(TableName=name, **cast("Any", spec.definition))
            dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        _expire(spec, name, dynamodb)
    return names


def _expire(spec: TableSpec, name: str, dynamodb: "DynamoDBClient") -> None:
    if spec.ttl_attribute is None:
        return
    found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus", "DISABLED") == "DISABLED":
        wanted: Any = {"Enabled": True, "AttributeName": spec.ttl_attribute}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)


def _create_queues(specs: list[QueueSpec], sqs: "SQSClient", prefix: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    for spec in _dead_letters_first(specs):
        attributes: Any = dict(spec.attributes)
        if spec.dead_letter:
            arn = sqs.get_queue_attributes(QueueUrl=urls[spec.dead_letter], AttributeNames=["QueueArn"])["Attributes"]
            redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": spec.receives_max}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        urls[spec.logical_id] = _queue_url(sqs, f"{prefix}-{spec.logical_id.removesuffix('Queue')}", attributes)
    return urls


def _queue_url(sqs: "SQSClient", name: str, attributes: Any) -> str:
    """The queue of this name; made with the attributes when it is missing, kept as it is when present."""
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    # MiniStack keeps the port of the run that made the queue; clients use the URL itself as the endpoint.
    return urlsplit(url)._replace(netloc=urlsplit(sqs.meta.endpoint_url).netloc).geturl()


def _dead_letters_first(specs: list[QueueSpec]) -> Iterator[QueueSpec]:
    yield from (spec for spec in specs if spec.dead_letter is None)
    yield from (spec for spec in specs if spec.dead_letter is not None)


def _create_buckets(specs: list[BucketSpec], s3: "S3Client", prefix: str) -> dict[str, str]:
    names = {spec.logical_id: f"{prefix}-{spec.logical_id.removesuffix('Bucket')}".lower() for spec in specs}
    for spec in specs:
        _ensure_bucket(names[spec.logical_id], s3)
        if spec.cors:
            s3.put_bucket_cors(Bucket=names[spec.logical_id], CORSConfiguration=cast("Any", {"CORSRules": spec.cors}))
    return names


def _ensure_bucket(name: str, s3: "S3Client") -> None:
    region = s3.meta.region_name
    # S3 refuses its home region as a constraint.
    options: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=name, **options)
    except ClientError as exc:
        if exc.response["Error"].get("Code") not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
