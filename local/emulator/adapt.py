"""The built template without what MiniStack's CloudFormation refuses to create, each left-out resource named."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.template_values import read_yaml


def adapted(template: Path) -> tuple[Path, list[str]]:
    """The file to deploy, beside the built template as its paths are relative; and what is left out of it."""
    document = read_yaml(template)
    left_out = [name for name, resource in document["Resources"].items() if _is_refused(resource)]
    for name in left_out:
        del document["Resources"][name]
    file = template.with_name("emulated.json")
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return file, left_out


def _is_refused(resource: Mapping[str, Any]) -> bool:
    """MiniStack 1.5 knows alarms on one metric only."""
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
