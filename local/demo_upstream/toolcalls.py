"""Whether a demo model calls tools, and with which arguments."""

import json
from typing import Any

from local.demo_upstream.answer import ToolCall
from local.demo_upstream.ask import Ask
from local.demo_upstream.schema import instance
from local.demo_upstream.words import last_user_text, pieces


def tool_calls(ask: Ask, *, eager: bool) -> tuple[ToolCall, ...]:
    """The calls that answer this request, none for a text; `eager` models call whenever they have tools."""
    functions = _functions(ask)
    choice = ask.body.get("tool_choice")
    if not functions or choice == "none" or ask.messages[-1].get("role") == "tool":
        return ()
    if isinstance(choice, dict):
        return _named(functions, choice)
    text = last_user_text(ask).lower()
    if not (eager or choice == "required" or "tool" in text or "weather" in text):
        return ()
    parallel = "both" in text and ask.body.get("parallel_tool_calls") is not False
    return tuple(_call(function, number) for number, function in enumerate(functions[: 2 if parallel else 1], 1))


def _functions(ask: Ask) -> list[dict[str, Any]]:
    tools = ask.body.get("tools")
    found = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _named(functions: list[dict[str, Any]], choice: dict[str, Any]) -> tuple[ToolCall, ...]:
    wanted = choice.get("function")
    name = wanted.get("name") if isinstance(wanted, dict) else None
    return tuple(_call(one, 1) for one in functions if one["name"] == name)[:1]


def _call(function: dict[str, Any], number: int) -> ToolCall:
    arguments = json.dumps(instance(function.get("parameters")), ensure_ascii=False)
    return ToolCall(id=f"call_demo_{number}", name=function["name"], fragments=pieces(arguments))
