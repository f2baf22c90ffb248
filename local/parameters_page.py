"""Write docs/parameters.md: what becomes of a field, per endpoint and provider. `python -m local.parameters_page`."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import orjson

from multiconnection.catalog.parameters import COSTLY, DROP, ENDPOINTS, PASS, REFUSE, ParameterPolicy
from multiconnection.catalog.providers import parameter_policy

PAGE = Path(__file__).parents[1] / "docs/parameters.md"
_HEAD = """# Parameters

Written by `python -m local.parameters_page` from `catalog/parameters.py` and `data/providers.json`; a test compares.

A field reaches a provider only when it is known to cost nothing beyond what is set aside for the call, or when that
amount covers it. Everything else is refused with `unsupported_parameter`, or handled as the provider's entry says.

- A value that asks for nothing (null, `false`, 0, `""`, `[]`, `{}`) counts as absent. So do `"best_of": 1` and, where a
  model refuses the name, `"prompt_cache_retention": "in_memory"`. Of `service_tier`, `auto` and `default` pass.
- A model may refuse more: `refused_parameters` of its entry in the catalog.
- Where several providers serve a model, the call goes to those that take all of its fields, in the usual order. Where
  none does, the error is that of the first one.
- Extensions (`chat_template_kwargs`, and unknown fields where they are passed on) are searched at any depth: a field of
  "Refused everywhere" inside them is refused too, and so are `n`, `model` and the limits of an answer.
- Members of messages, parts and tools count as text, byte by byte. Server-side tools, parts other than text and images,
  and `cache_control` with a `ttl` other than `5m` are refused there.
- A reasoning budget (`thinking.budget_tokens`, `reasoning.max_tokens`, `thinking_budget`) is at most the limit of the
  answer.
"""


def page() -> str:
    """The whole text."""
    entries = orjson.loads(files("multiconnection").joinpath("data/providers.json").read_bytes())["providers"]
    policies = {entry["name"]: parameter_policy(entry) for entry in entries}
    return "\n".join([_HEAD, *_endpoints(), "", *_providers(policies), "", *_refused(), ""])


def _endpoints() -> Iterator[str]:
    yield "## What each endpoint takes\n"
    yield "| endpoint | costs nothing more | is part of what is set aside | dropped | refused here |"
    yield "|---|---|---|---|---|"
    for endpoint, fields in ENDPOINTS.items():
        cells = (fields.free, fields.counted, fields.dropped, fields.refused)
        yield f"| `{endpoint}` | {' | '.join(map(_names, cells))} |"


def _providers(policies: Mapping[str, ParameterPolicy]) -> Iterator[str]:
    what = {REFUSE: "refused", DROP: "dropped", PASS: "passed on"}
    yield "## What each provider takes in addition\n"
    yield "| provider | other fields are | its own fields |\n|---|---|---|"
    for name, policy in policies.items():
        by_names: dict[str, list[str]] = {}
        for endpoint, names in policy.accepted.items():
            by_names.setdefault(_names(names), []).append(endpoint)
        own = "; ".join(
            f"{names} ({'all' if len(at) == len(ENDPOINTS) else _names(at)})" for names, at in by_names.items()
        )
        yield f"| `{name}` | {what[policy.unknown_fields]} | {own or 'none'} |"


def _refused() -> Iterator[str]:
    yield "## Refused everywhere\n"
    yield "Except where the first table lists the name. `nPredict` and `n-predict` are `n_predict`.\n"
    yield "| because | fields |\n|---|---|"
    by_reason: dict[str, list[str]] = {}
    for name, why in COSTLY.items():
        by_reason.setdefault(why, []).append(name)
    yield from (f"| {why} | {_names(names)} |" for why, names in by_reason.items())


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


if __name__ == "__main__":
    PAGE.write_text(page())
