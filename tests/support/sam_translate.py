"""Run by the interpreter of the SAM command line: template.yaml as CloudFormation would get it, per variant.

Standard input is a list of variants, each with any of `uris` (resource → S3 URI of its code), `release`, `parameters`
and `memory` (of the chat function); standard output is the list of translated templates.
"""

import json
import sys
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse  # type: ignore[import-not-found]
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
URIS = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


def translated(variant: dict[str, Any]) -> Any:
    text = TEMPLATE.read_text(encoding="utf-8").replace("unreleased", variant.get("release", "unreleased"))
    template = yaml_parse(text)
    for name, resource in template["Resources"].items():
        if (member := URIS.get(resource["Type"])) is not None:
            resource["Properties"][member] = variant.get("uris", {}).get(name, f"s3://bucket/{name}")
    if variant.get("memory"):
        template["Resources"]["ChatFunction"]["Properties"]["MemorySize"] = variant["memory"]
    return Translator({}, Parser()).translate(template, variant.get("parameters", {}))


if __name__ == "__main__":
    json.dump([translated(variant) for variant in json.load(sys.stdin)], sys.stdout)
