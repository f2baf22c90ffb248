"""Run by the interpreter of the SAM command line: the Lambda versions that CloudFormation would see, per variant.

Standard input is a list of variants, each with `uris` (resource → S3 URI of its code), `release`, `parameters` and
`memory` (of the chat function); standard output is a list of the versions' logical ids and their aliases' targets.
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


def versions(variant: dict[str, Any]) -> dict[str, str]:
    text = TEMPLATE.read_text(encoding="utf-8").replace("unreleased", variant["release"])
    template = yaml_parse(text)
    for name, resource in template["Resources"].items():
        if (member := URIS.get(resource["Type"])) is not None:
            resource["Properties"][member] = variant["uris"].get(name, f"s3://bucket/{name}")
    if variant["memory"]:
        template["Resources"]["ChatFunction"]["Properties"]["MemorySize"] = variant["memory"]
    translated = Translator({}, Parser()).translate(template, variant["parameters"])
    return {
        name: resource["Properties"]["FunctionName"]["Ref"]
        for name, resource in translated["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


if __name__ == "__main__":
    json.dump([versions(variant) for variant in json.load(sys.stdin)], sys.stdout)
