"""Reads where and how to call from stdin, runs every scenario, prints one JSON line for each."""

import json
import sys

from tests.e2e.sdk_python import (
    answers,
    errors,
    images,
    media_errors,
    speech,
    streams,
    texts,
    transcriptions,
    uploads,
)
from tests.e2e.sdk_python.facts import Facts, Target

MODULES = (answers, streams, errors, speech, images, transcriptions, texts, uploads, media_errors)


def main() -> None:
    target = Target(json.load(sys.stdin))
    for scenario in (one for module in MODULES for one in module.SCENARIOS):
        facts: Facts = scenario(target)
        print(json.dumps({"scenario": scenario.__name__, "facts": facts}), flush=True)


if __name__ == "__main__":
    main()
