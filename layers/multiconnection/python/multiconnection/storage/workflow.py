"""The recharge workflow's executions on Step Functions; boto3 is loaded at the first use."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from multiconnection.services.order_ports import WorkflowUnavailable

# Nobody waits under such a token: the wait has ended, or the token is none.
_NOBODY_WAITS = ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken")


class StepFunctionsWorkflow:
    """Implements `Workflow`. An execution's name is the order's id, so an order is started once however often asked."""

    def __init__(self, state_machine_arn: str | None, region: str, endpoint_url: str | None = None) -> None:
        """Without an ARN every call is refused: most functions have nothing to do with orders."""
        self._arn = state_machine_arn
        self._region = region
        self._endpoint_url = endpoint_url
        self._client: Any = None

    async def start(self, order_id: str, run: int) -> None:
        arguments = {
            "stateMachineArn": self._arn,
            "name": execution_name(order_id, run),
            "input": json.dumps({"order_id": order_id}),
        }
        await self._call(lambda client: client.start_execution(**arguments), "ExecutionAlreadyExists")

    async def wake(self, token: str) -> bool:
        """The output says nothing: the order's row does."""
        answer = await self._call(lambda client: client.send_task_success(taskToken=token, output="{}"), *_NOBODY_WAITS)
        return answer is not None

    async def is_running(self, order_id: str, run: int) -> bool | None:
        executions = str(self._arn).replace(":stateMachine:", ":execution:", 1)
        arn = f"{executions}:{execution_name(order_id, run)}"
        answer = await self._call(lambda client: client.describe_execution(executionArn=arn), "ExecutionDoesNotExist")
        return None if answer is None else answer["status"] == "RUNNING"

    async def _call(self, operation: Callable[[Any], Any], *expected: str) -> Any:
        """The answer; None for an expected refusal."""
        if self._arn is None:
            raise WorkflowUnavailable("RECHARGE_STATE_MACHINE_ARN is not set")
        return await asyncio.to_thread(self._blocking, operation, expected)

    def _blocking(self, operation: Callable[[Any], Any], expected: tuple[str, ...]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return operation(self._connected())
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            if code in expected:
                return None
            # Without the message, which may quote a token.
            raise WorkflowUnavailable(code) from None
        except BotoCoreError as exc:
            raise WorkflowUnavailable(type(exc).__name__) from None

    def _connected(self) -> Any:
        if self._client is None:
            import botocore.session
            from botocore.config import Config

            # Every operation here may be repeated.
            config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
            self._client = botocore.session.get_session().create_client(
                "stepfunctions", region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
        return self._client


def execution_name(order_id: str, run: int) -> str:
    """Names are unique for 90 days after an execution's end, so a second execution needs one of its own."""
    return f"{order_id}-{run}" if run else order_id
