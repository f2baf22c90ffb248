"""Worker: settles the decisions of the fallback queue, which the Usage table did not take when they were made."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from multiconnection.bootstrap.handlers import run, worker
from multiconnection.bootstrap.workers import shared_workers
from multiconnection.ledger.dynamo import decode

# A batch of which nothing could be settled is delivered again as any other, and is no failure of this function.
PROCESSOR = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class NotSettled(Exception):
    """The message has to be delivered again; the ledger has raised an alarm where there is something to do."""


def settle(record: SQSRecord) -> None:
    """Raises NotSettled."""
    if not run(shared_workers().maintenance.replay(record.message_id, record.body, decode)):
        raise NotSettled(record.message_id)


@worker
def handler(event: dict[str, Any], context: Any) -> Any:
    """An SQS event → {"batchItemFailures": [{"itemIdentifier": …}]}, the messages to be delivered again."""
    return process_partial_response(event=event, record_handler=settle, processor=PROCESSOR, context=context)
