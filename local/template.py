"""Typed views of template.yaml for the local stack: tables, queues, buckets, functions, routes, gateway responses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template_values import TemplateError, read_yaml, reference, resolve

# API Gateway's `ANY` stands for these.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class TableSpec:
    """`definition` holds the keyword arguments of DynamoDB's create_table, except the name."""

    logical_id: str
    definition: Mapping[str, Any]
    ttl_attribute: str | None


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """`attributes` are strings, as SQS takes them. `dead_letter` is the logical id of another queue."""

    logical_id: str
    attributes: Mapping[str, str]
    dead_letter: str | None
    receives_max: int | None


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """`cors` holds the rules with the member names of S3's API."""

    logical_id: str
    cors: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; `path` as API Gateway writes it, `/v1/models/{model+}`."""

    path: str
    method: str
    function: str


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function with what triggers it.

    `environment` is unresolved and includes Globals. `schedules` are expressions like `rate(1 minute)`, each with the
    JSON text that the function is sent. `queues` are the logical ids of the queues whose messages it receives.
    """

    name: str
    code_uri: str
    handler: str
    environment: Mapping[str, object]
    timeout_s: int
    schedules: tuple[tuple[str, str], ...]
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A response of API Gateway itself. `status` None keeps the status of the failure.

    A header's value is a text in single quotes or a context variable, as API Gateway writes them.
    """

    kind: str
    status: int | None
    headers: Mapping[str, str]
    body: str


class Template:
    """Typed views of one template. Each raises TemplateError on a value that it cannot read."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._resources: Mapping[str, Mapping[str, Any]] = document.get("Resources", {})

    def parameters(self) -> dict[str, str]:
        """Defaults of the parameters that have one, as text."""
        declared = self._document.get("Parameters", {})
        return {name: str(spec["Default"]) for name, spec in declared.items() if "Default" in spec}

    def tables(self) -> list[TableSpec]:
        return [_table(name, properties) for name, properties in self.of_type("AWS::DynamoDB::Table")]

    def queues(self) -> list[QueueSpec]:
        return [_queue(name, properties) for name, properties in self.of_type("AWS::SQS::Queue")]

    def buckets(self) -> list[BucketSpec]:
        return [_bucket(name, properties) for name, properties in self.of_type("AWS::S3::Bucket")]

    def functions(self) -> dict[str, FunctionSpec]:
        return {name: self._function(name, spec) for name, spec in self.of_type("AWS::Serverless::Function")}

    def routes(self) -> list[Route]:
        """Every path with every method that it takes: `ANY` is spelled out."""
        return [
            Route(_text(event, "Path", f"{name}.Events.{key}"), method, name)
            for name, spec in self.of_type("AWS::Serverless::Function")
            for key, event in _events(spec, "Api")
            for method in methods(_text(event, "Method", f"{name}.Events.{key}"))
        ]

    def gateway_responses(self) -> dict[str, GatewayResponse]:
        return {
            kind: _gateway_response(kind, spec)
            for _, properties in self.of_type("AWS::Serverless::Api")
            for kind, spec in properties.get("GatewayResponses", {}).items()
        }

    def environment(self, function: str, names: Mapping[str, str], overrides: Mapping[str, str]) -> dict[str, str]:
        """Variables of a function. `names`: logical id → value of its `Ref`; `overrides`: chosen parameters."""
        known = self.known(names, overrides)
        variables = self.functions()[function].environment
        return {name: resolve(value, known, f"{function}.{name}") for name, value in variables.items()}

    def known(self, names: Mapping[str, str], overrides: Mapping[str, str]) -> dict[str, str]:
        """Values that `Ref` can find: parameters, chosen or by default, and `names`."""
        return self.parameters() | dict(overrides) | dict(names)

    def of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties, unresolved, of each resource of that type."""
        for name, resource in self._resources.items():
            if resource.get("Type") == kind:
                yield name, resource.get("Properties", {})

    def _function(self, name: str, spec: Mapping[str, Any]) -> FunctionSpec:
        shared = self._document.get("Globals", {}).get("Function", {})
        variables = {**_variables(shared), **_variables(spec)}
        return FunctionSpec(
            name=name,
            code_uri=_text(spec, "CodeUri", name),
            handler=_text({**shared, **spec}, "Handler", name),
            environment=variables,
            timeout_s=int(resolve(spec.get("Timeout", shared.get("Timeout")), {}, f"{name}.Timeout")),
            schedules=tuple(
                (_text(event, "Schedule", name), event.get("Input", "{}")) for _, event in _events(spec, "Schedule")
            ),
            queues=tuple(self._queues_of(name)),
        )

    def _queues_of(self, function: str) -> Iterator[str]:
        for name, source in self.of_type("AWS::Lambda::EventSourceMapping"):
            if reference(source.get("FunctionName"), f"{name}.FunctionName") == function:
                yield reference(source.get("EventSourceArn"), f"{name}.EventSourceArn")


def load(path: Path) -> Template:
    """A template together with its nested stacks. Raises TemplateError on a broken file, OSError on a missing one.

    The parameters of a nested stack are named after what they are given, so its references mean the same in both files.
    """
    document = read_yaml(path)
    nested = [
        read_yaml(path.parent / _text(properties, "TemplateURL", name))["Resources"]
        for name, properties in Template(document).of_type("AWS::CloudFormation::Stack")
    ]
    resources: dict[str, Any] = dict(document.get("Resources", {}))
    for each in nested:
        resources |= each
    return Template({**document, "Resources": resources})


def methods(method: str) -> tuple[str, ...]:
    """The methods that the `Method` of an API event stands for."""
    return METHODS if method == "ANY" else (method,)


def _text(properties: Mapping[str, Any], name: str, where: str) -> str:
    value = properties.get(name)
    if not isinstance(value, str):
        raise TemplateError(f"{where}.{name}: a text is expected, not {value!r}")
    return value


def _variables(spec: Mapping[str, Any]) -> Mapping[str, object]:
    variables: Mapping[str, object] = spec.get("Environment", {}).get("Variables", {})
    return variables


def _events(spec: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, event in spec.get("Events", {}).items():
        if event["Type"] == kind:
            yield key, event["Properties"]


def _table(name: str, properties: Mapping[str, Any]) -> TableSpec:
    taken = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    lifetime = properties.get("TimeToLiveSpecification", {})
    return TableSpec(
        logical_id=name,
        definition={key: properties[key] for key in taken if key in properties},
        ttl_attribute=lifetime["AttributeName"] if lifetime.get("Enabled") else None,
    )


def _queue(name: str, properties: Mapping[str, Any]) -> QueueSpec:
    taken = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds")
    redrive = properties.get("RedrivePolicy")
    return QueueSpec(
        logical_id=name,
        attributes={key: resolve(properties[key], {}, f"{name}.{key}") for key in taken if key in properties},
        dead_letter=reference(redrive["deadLetterTargetArn"], f"{name}.RedrivePolicy") if redrive else None,
        receives_max=int(redrive["maxReceiveCount"]) if redrive else None,
    )


def _bucket(name: str, properties: Mapping[str, Any]) -> BucketSpec:
    """CloudFormation and S3's API have different names for two members of a rule."""
    renamed = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"}
    rules = properties.get("CorsConfiguration", {}).get("CorsRules", [])
    return BucketSpec(name, tuple({renamed.get(key, key): value for key, value in rule.items()} for rule in rules))


def _gateway_response(kind: str, spec: Mapping[str, Any]) -> GatewayResponse:
    status = spec.get("StatusCode")
    return GatewayResponse(
        kind=kind,
        status=None if status is None else int(status),
        headers=spec.get("ResponseParameters", {}).get("Headers", {}),
        body=_text(spec.get("ResponseTemplates", {}), "application/json", kind),
    )
