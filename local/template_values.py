"""CloudFormation's YAML short tags, and the few intrinsic functions that the local stack resolves."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_SUB_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_SUB_LITERAL = re.compile(r"\$\{!([^}]*)\}")


class TemplateError(ValueError):
    """The local stack cannot read a value of the template; the message says which."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that turns `!Ref X` into {"Ref": "X"}, `!Sub …` into {"Fn::Sub": …}, and so on."""


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:  # pragma: no cover - YAML has no fourth kind of node
        raise TemplateError(f"!{suffix}: unexpected node")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct_tag)


def read_yaml(path: Path) -> dict[str, Any]:
    """Raises TemplateError when the file is not YAML or not a mapping, OSError when it cannot be read."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as exc:
        raise TemplateError(f"{path.name}: {exc}") from exc
    if not isinstance(document, dict):
        raise TemplateError(f"{path.name}: not a mapping")
    return document


def resolve(value: object, known: Mapping[str, str], where: str) -> str:
    """The text of a scalar, `Ref`, `Fn::GetAtt` or `Fn::Sub`.

    `known` maps parameters and logical ids to their values, and `Id.Attribute` to attributes.
    Raises TemplateError for any other intrinsic and for an unknown name.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, dict) and len(value) == 1:
        [(intrinsic, argument)] = value.items()
        if intrinsic == "Ref":
            return _lookup(argument, known, where)
        if intrinsic == "Fn::GetAtt":
            return _lookup(".".join(argument), known, where)
        if intrinsic == "Fn::Sub":
            return _substitute(argument, known, where)
    raise TemplateError(f"{where}: cannot read {value!r}")


def reference(value: object, where: str) -> str:
    """The logical id that a `Ref`, or the first part of a `Fn::GetAtt`, points to."""
    if isinstance(value, dict) and len(value) == 1:
        if "Ref" in value:
            return str(value["Ref"])
        if "Fn::GetAtt" in value:
            return str(value["Fn::GetAtt"][0])
    raise TemplateError(f"{where}: {value!r} is not a reference")


def _lookup(name: object, known: Mapping[str, str], where: str) -> str:
    try:
        return known[str(name)]
    except KeyError as exc:
        raise TemplateError(f"{where}: {name} is not known") from exc


def _substitute(argument: object, known: Mapping[str, str], where: str) -> str:
    if isinstance(argument, list):
        text, given = argument
        known = {**known, **{name: resolve(value, known, where) for name, value in given.items()}}
    else:
        text = argument
    replaced = _SUB_VARIABLE.sub(lambda found: _lookup(found.group(1).strip(), known, where), str(text))
    return _SUB_LITERAL.sub(r"${\1}", replaced)
