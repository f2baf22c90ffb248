"""Which events there are: one per route and method, per schedule, and per queue of template.yaml."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.sample_events.examples import EXAMPLES
from local.sample_events.messages import queue_event
from local.sample_events.proxy import proxy_event
from local.template_values import TemplateError, reference

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def sample_events(document: Mapping[str, Any]) -> dict[str, Any]:
    """File name → event; `document` is template.yaml. The names come from the logical ids: models-list-get.json."""
    return dict(sorted([*_of_functions(document["Resources"]), *_of_queues(document["Resources"])]))


def write(document: Mapping[str, Any], folder: Path) -> None:
    """Events of routes that are gone go as well."""
    events = sample_events(document)
    for file in folder.glob("*.json"):
        if file.name not in events:
            file.unlink()
    for name, event in events.items():
        (folder / name).write_text(json.dumps(event, indent=2) + "\n", encoding="utf-8")


def _of_functions(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for function, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for key, event in resource["Properties"].get("Events", {}).items():
            yield _file(function, key), _event(event["Type"], event["Properties"], f"{function}.Events.{key}")


def _of_queues(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            function = reference(resource["Properties"]["FunctionName"], name)
            queue = reference(resource["Properties"]["EventSourceArn"], name)
            yield _file(function, queue), queue_event(queue)


def _event(kind: str, properties: Mapping[str, Any], where: str) -> Any:
    if kind == "Schedule":
        # EventBridge sends the rule's own input in place of its usual event.
        if "Input" not in properties:
            raise TemplateError(f"{where}: a schedule says what it sends")
        return json.loads(properties["Input"])
    if kind != "Api":
        raise TemplateError(f"{where}: there is no sample event for {kind}")
    if properties["Path"] not in EXAMPLES:
        raise TemplateError(f"{where}: there is no example for {properties['Path']}")
    return proxy_event(properties["Path"], properties["Method"].upper(), EXAMPLES[properties["Path"]])


def _file(function: str, key: str) -> str:
    words = f"{function.removesuffix('Function')}-{key}"
    return f"{_WORD.sub('-', words).lower()}.json"
