"""The event of an SQS queue that a function takes messages from."""

import hashlib
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.sample_events.examples import MOMENT_MS, QUEUED_ROW
from multiconnection.ledger.dynamo import encode


def queue_event(queue: str) -> dict[str, Any]:
    """One message: the decision about a call that its table would not take. `queue` is the logical id."""
    body = encode(QUEUED_ROW)
    return {
        "Records": [
            {
                "messageId": str(uuid5(NAMESPACE_URL, queue)),
                "receiptHandle": "AQEBExampleReceiptHandle==",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(MOMENT_MS),
                    "SenderId": "AROAEXAMPLEEXAMPLE123:multiconnection-ChatFunction",
                    "ApproximateFirstReceiveTimestamp": str(MOMENT_MS + 42),
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:multiconnection-{queue}",
                "awsRegion": "us-east-1",
            }
        ]
    }
