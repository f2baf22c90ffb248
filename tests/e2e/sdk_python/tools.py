"""Two functions that a model can call, and the calls it made."""

import json
from typing import Any

from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessage

from tests.e2e.sdk_python.facts import Facts


def _tool(name: str) -> ChatCompletionFunctionToolParam:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters, "strict": True}}


TOOLS = [_tool("get_weather"), _tool("get_forecast")]


def calls_of(message: ChatCompletionMessage) -> list[Facts]:
    calls: list[Any] = list(message.tool_calls or [])
    return [
        {"id": call.id, "type": call.type, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
        for call in calls
    ]
