"""The recorded answers on disk, one file a room, and what is different in new ones."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).parent / "answers"
# Of one answer only; the other headers are alike for many and stand at the top of a file.
OWN_HEADERS = ("x-ratelimit-", "set-cookie", "content-length", "location", "retry-after", "etag", "x-should-retry")
Records = Sequence[Mapping[str, Any]]
Room = Mapping[str, Records]


def write(name: str, room: Room) -> None:
    """One line for each request; an answer that several requests got stands at the top."""
    headers: dict[str, str] = {}
    packed = {scenario: [_packed(record, headers) for record in records] for scenario, records in room.items()}
    counts = Counter(_line(record["answer"]) for records in packed.values() for record in records if "answer" in record)
    often = [text for text, times in counts.items() if times > 1]
    answers = {text: f"a{number}" for number, text in enumerate(often, 1)}
    for record in (record for records in packed.values() for record in records if "answer" in record):
        record["answer"] = answers.get(_line(record["answer"]), record["answer"])
    sections = (
        '"headers": ' + _table({label: text for text, label in headers.items()}),
        '"answers": ' + _table({label: text for text, label in answers.items()}),
        '"scenarios": ' + _table({scenario: _list(map(_line, records)) for scenario, records in packed.items()}),
    )
    ANSWERS.mkdir(exist_ok=True)
    (ANSWERS / f"{name}.json").write_text("{\n" + ",\n".join(sections) + "\n}\n")


def read(name: str) -> Room:
    document = json.loads((ANSWERS / f"{name}.json").read_text())

    def unpacked(record: dict[str, Any]) -> dict[str, Any]:
        effects = {name: value for name, value in record.items() if name != "answer"}
        if "answer" not in record:
            return effects
        told = record["answer"]
        answer = document["answers"][told] if isinstance(told, str) else told
        headers = [*document["headers"][answer["headers"]], *answer.get("own_headers", [])]
        whole = {"status": answer["status"], "headers": sorted(headers, key=_name), "body": answer["body"]}
        return effects | whole

    return {scenario: [unpacked(each) for each in records] for scenario, records in document["scenarios"].items()}


def differences(recorded: Any, found: Any, where: str = "") -> Iterator[str]:
    """Each place that differs, by its path; requests are paired by their order."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*recorded, *found)):
            yield from differences(recorded.get(name), found.get(name), f"{where}.{name}" if where else name)
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for at, pair in enumerate(zip(recorded, found, strict=True)):
            yield from differences(*pair, f"{where}[{at}]")
    elif recorded != found:
        yield f"{where}\n    recorded: {_short(recorded)}\n    now:      {_short(found)}"


def changed(recorded: Records, found: Records) -> Iterator[str]:
    """The requests of one scenario whose answers are different, each with all its differences."""
    for at, pair in enumerate(zip(recorded, found, strict=False)):
        before, now = [{**each, "headers": _by_name(each.get("headers", []))} for each in pair]
        lines = list(differences(before, now))
        if lines:
            yield f"{at}. {pair[0]['asked']}\n  " + "\n  ".join(lines)
    if len(recorded) != len(found):
        yield f"{len(recorded)} requests were recorded, now there are {len(found)}: record again"


def _by_name(headers: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """All values of each header: one that is new or gone is one difference, and not one for each that follows."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def _packed(record: Mapping[str, Any], shared: dict[str, str]) -> dict[str, Any]:
    """The answer apart from the effects; headers that many answers have as a label of `shared`."""
    if "headers" not in record:
        return dict(record)
    own = [header for header in record["headers"] if header[0].startswith(OWN_HEADERS)]
    others = _line([header for header in record["headers"] if not header[0].startswith(OWN_HEADERS)])
    label = shared.setdefault(others, f"h{len(shared) + 1}")
    answer = {"status": record["status"], "headers": label} | ({"own_headers": own} if own else {})
    effects = {name: value for name, value in record.items() if name not in ("asked", "status", "headers", "body")}
    return {"asked": record["asked"], "answer": {**answer, "body": record["body"]}, **effects}


def _name(header: Sequence[str]) -> str:
    return header[0]


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(rows: Mapping[str, str]) -> str:
    return "{\n" + ",\n".join(f"  {_line(name)}: {text}" for name, text in rows.items()) + "\n}"


def _list(lines: Iterable[str]) -> str:
    return "[\n    " + ",\n    ".join(lines) + "\n  ]"


def _short(value: Any) -> str:
    text = "(nothing)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
