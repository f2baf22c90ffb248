"""Worker: settles the decisions of the fallback queue, which the Usage table did not take when they were made."""

import logging
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from multiconnection.bootstrap.handlers import run, worker
from multiconnection.bootstrap.workers import shared_workers
from multiconnection.ledger.dynamo import decode

# A batch of which nothing could be settled is delivered again as any other, and is no failure of this function.
PROCESSOR = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
log = logging.getLogger("multiconnection.fallback")


class NotSettled(Exception):
    """The message has to be delivered again; the ledger has raised an alarm where there is something to do."""


def settle(record: SQSRecord) -> None:
    """Raises NotSettled, or what the ledger did not expect, such as an account that cannot be read."""
    maintenance = shared_workers().maintenance
    try:
        settled = run(maintenance.replay(record.message_id, record.body, decode))
    except Exception as exc:
        # Powertools takes every error for a message to be delivered again, and reports none.
        log.exception("a message was not settled", extra={"message_id": record.message_id})
        failed = {"message_id": record.message_id, "error": type(exc).__name__}
        maintenance.alarms.alarm("fallback_message_failed", **failed)
        raise
    if not settled:
        raise NotSettled(record.message_id)


@worker
def handler(event: dict[str, Any], context: Any) -> Any:
    """An SQS event → {"batchItemFailures": [{"itemIdentifier": …}]}, the messages to be delivered again."""
    return process_partial_response(event=event, record_handler=settle, processor=PROCESSOR, context=context)
