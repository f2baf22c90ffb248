"""Reads where and how to call from stdin, runs every scenario, prints one JSON line for each."""

import json
import sys

from tests.e2e.sdk_python import answers, errors, streams
from tests.e2e.sdk_python.facts import Facts, Target

SCENARIOS = (*answers.SCENARIOS, *streams.SCENARIOS, *errors.SCENARIOS)


def main() -> None:
    target = Target(json.load(sys.stdin))
    for scenario in SCENARIOS:
        facts: Facts = scenario(target)
        print(json.dumps({"scenario": scenario.__name__, "facts": facts}), flush=True)


if __name__ == "__main__":
    main()
