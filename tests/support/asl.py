"""A state machine run from its ASL file: the states and JSONata forms that ours uses, nothing else.

It lets the simulation run the very file that is deployed. Whatever it does not know raises NotImplementedError.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Invoke = Callable[[dict[str, Any]], Awaitable[Any]]
UpdateItem = Callable[[dict[str, Any]], Awaitable[None]]
LAMBDA = "arn:aws:states:::lambda:invoke"
CALLBACK = "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken"
_TIMEOUT = "States.Timeout"
_PATH = re.compile(r"\$states((?:\.\w+)+)")
_EQUALS = re.compile(r"(\$states(?:\.\w+)+) = '(\w+)'")


class TaskFailed(Exception):
    """A task's error, by the name that Retry and Catch match."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ExecutionFailed(Exception):
    """The execution ended in a Fail state, or with an error that nothing caught."""


@dataclass
class Waits:
    """Task tokens that somebody waits under."""

    open: dict[str, asyncio.Event] = field(default_factory=dict)
    count: int = 0

    def new(self) -> str:
        self.count += 1
        token = f"token-{self.count}"
        self.open[token] = asyncio.Event()
        return token

    def wake(self, token: str) -> bool:
        if token not in self.open:
            return False
        self.open[token].set()
        return True


@dataclass
class Machine:
    """`invoke` runs a Lambda function, `update_item` DynamoDB's operation; both raise TaskFailed."""

    definition: Mapping[str, Any]
    invoke: Invoke
    update_item: UpdateItem
    waits: Waits = field(default_factory=Waits)

    async def run(self, given: dict[str, Any]) -> tuple[str, Any]:
        """The last state and its output; raises ExecutionFailed."""
        name: str | None = self.definition["StartAt"]
        while name is not None:
            last, state = name, self.definition["States"][name]
            name, given = await self._state(state, given)
        return last, given

    async def _state(self, state: Mapping[str, Any], given: Any) -> tuple[str | None, Any]:
        if state["Type"] == "Task":
            return await self._task(state, given)
        if state["Type"] == "Choice":
            chosen = (choice["Next"] for choice in state["Choices"] if evaluated(choice["Condition"], {"input": given}))
            return next(chosen, state["Default"]), given
        if state["Type"] == "Succeed":
            return None, given
        if state["Type"] == "Fail":
            raise ExecutionFailed(state["Error"])
        raise NotImplementedError(state["Type"])

    async def _task(self, state: Mapping[str, Any], given: Any) -> tuple[str, Any]:
        spent: dict[int, int] = {}
        while True:
            try:
                result = await self._attempt(state, given)
            except TaskFailed as exc:
                retrier = _matching(state.get("Retry", []), exc.name)
                number = spent.get(id(retrier), 0)
                if retrier is None or number >= retrier["MaxAttempts"]:
                    return _caught(state, given, exc)
                spent[id(retrier)] = number + 1
                pause_s = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number
                await asyncio.sleep(min(pause_s, retrier["MaxDelaySeconds"]))
            else:
                return state["Next"], evaluated(state["Output"], {"input": given, "result": result})

    async def _attempt(self, state: Mapping[str, Any], given: Any) -> Any:
        known = {"input": given}
        if state["Resource"] == LAMBDA:
            payload = evaluated(state["Arguments"]["Payload"], known)
            return {"Payload": await _within(state["TimeoutSeconds"], self.invoke(payload))}
        if state["Resource"] != CALLBACK:
            raise NotImplementedError(state["Resource"])
        token = self.waits.new()
        try:
            arguments = evaluated(state["Arguments"], known | {"context": {"Task": {"Token": token}}})
            await self.update_item(arguments)
            await _within(state["TimeoutSeconds"], self.waits.open[token].wait())
        finally:
            del self.waits.open[token]
        return {}


def load(path: Path, substitutions: Mapping[str, object]) -> dict[str, Any]:
    """The definition after DefinitionSubstitutions, as CloudFormation does them: in the text."""
    text = path.read_text()
    for name, value in substitutions.items():
        text = text.replace(f"${{{name}}}", str(value))
    definition: dict[str, Any] = json.loads(text)
    return definition


def evaluated(value: Any, states: Mapping[str, Any]) -> Any:
    """JSONata inside of `{% %}`; every other value is what it is."""
    if isinstance(value, dict):
        return {key: evaluated(entry, states) for key, entry in value.items()}
    if not isinstance(value, str) or not value.startswith("{%"):
        return value
    expression = value.removeprefix("{%").removesuffix("%}").strip()
    if found := _EQUALS.fullmatch(expression):
        return _looked_up(found[1], states) == found[2]
    return _looked_up(expression, states)


def _looked_up(path: str, states: Mapping[str, Any]) -> Any:
    found = _PATH.fullmatch(path)
    if found is None:
        raise NotImplementedError(path)
    value: Any = states
    for name in found[1].split(".")[1:]:
        value = value[name]
    return value


async def _within(timeout_s: float, work: Awaitable[Any]) -> Any:
    try:
        return await asyncio.wait_for(work, timeout_s)
    except TimeoutError as exc:
        raise TaskFailed(_TIMEOUT) from exc


def _caught(state: Mapping[str, Any], given: Any, exc: TaskFailed) -> tuple[str, Any]:
    catcher = _matching(state.get("Catch", []), exc.name)
    if catcher is None:
        raise ExecutionFailed(exc.name) from exc
    return catcher["Next"], evaluated(catcher["Output"], {"input": given})


def _matching(handlers: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((one for one in handlers if name in one["ErrorEquals"] or "States.ALL" in one["ErrorEquals"]), None)
