"""Worker: one step of the recharge workflow (workflow.asl.json), the only function that credits orders."""

from typing import Any

from aws_lambda_powertools.utilities.parser import parse
from pydantic import BaseModel, ConfigDict

from multiconnection.bootstrap.handlers import run, worker
from multiconnection.bootstrap.workers import shared_workers


class StepEvent(BaseModel):
    """A step of the workflow, as its states send it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    step: str
    order_id: str


@worker
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """{"step", "order_id"} → {"order_id", "status"}; whatever is raised here makes the workflow repeat the step."""
    step = parse(event=event, model=StepEvent)
    return run(shared_workers().recharge.run(step.step, step.order_id))
