"""`make bench`: CPU per call and per stream of the gateway with billing on, beside the floor, in one run.

The exit code says whether the run was sound (every request answered, no drift), never whether it was fast.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import orjson

from benchmarks import cold_start
from benchmarks.load import Job
from benchmarks.load_process import LoadFailed, LoadProcess, load_process
from benchmarks.measure import Case, Measured, measure, resident_mb
from benchmarks.report import Report
from benchmarks.requests_counted import count_requests
from benchmarks.world import Server, World, world
from local.paths import LOCAL_DIR
from local.processes import ChildFailed
from multiconnection.bootstrap.workers import Workers
from multiconnection.ledger.reconcile import totals

# Many short rounds rather than few long ones: what else the machine does then falls on both servers alike.
ROUNDS = 21
CALLS, STREAMS, PACED_STREAMS = 120, 24, 16
# Long enough that caches, connections and the interpreter's own adaptation are settled.
WARM_UP_CALLS, WARM_UP_STREAMS = 400, 40
WARM_UP_OTHERS = {"embedding": 40, "speech": 16, "transcription": 8, "image": 2}
# Slow enough for the upstream to keep the pace with all streams of a round at once.
PACED_MS = 5
CALL_BOUND, STREAM_BOUND = 2.5, 2.0
# Enough for a ratio to the first digit.
OTHER_ROUNDS = 11
# As many as take about as long as a round of calls does.
EMBEDDINGS, SPEECHES, TRANSCRIPTIONS, IMAGES = 80, 16, 8, 2


def cases() -> list[Case]:
    """Streams as fast as the upstream sends, and once at a pace at which every chunk is a read of its own."""
    stream = Job("", "", STREAMS, stream=True)
    with_usage = Job("", "", STREAMS, stream=True, include_usage=True)
    paced = Job("", "", PACED_STREAMS, stream=True, delay_ms=PACED_MS, concurrency=PACED_STREAMS)
    return [
        Case("call", Job("", "", CALLS), CALL_BOUND),
        Case("stream of 202 chunks", stream, STREAM_BOUND),
        Case("  with include_usage", with_usage, STREAM_BOUND),
        Case(f"  a chunk every {PACED_MS} ms", paced, STREAM_BOUND),
        *_other_cases(),
    ]


def _other_cases() -> list[Case]:
    """The endpoints beside chat."""
    return [
        Case("embedding of one text", Job("", "", EMBEDDINGS, kind="embedding"), CALL_BOUND, OTHER_ROUNDS),
        Case("speech, raw MP3", Job("", "", SPEECHES, kind="speech"), STREAM_BOUND, OTHER_ROUNDS),
        Case("transcription of 1 MB", Job("", "", TRANSCRIPTIONS, kind="transcription"), None, OTHER_ROUNDS),
        Case("image of 4 MB in base64", Job("", "", IMAGES, concurrency=2, kind="image"), None, OTHER_ROUNDS),
    ]


def main() -> int:
    options = _options()
    # On SIGTERM it still ends its children and removes its state.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        report = _run(options.rounds, cases())
    except (LoadFailed, ChildFailed) as exc:
        print(f"\nThe run failed: {exc}", flush=True)
        return 1
    print(f"\n{report.text()}\n\n{cold_start.report()}", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    return 1 if report.drift_nano else 0


def _run(rounds: int, planned: Sequence[Case]) -> Report:
    with ExitStack() as stack:
        around = stack.enter_context(world())
        load = stack.enter_context(load_process())
        print("counting DynamoDB requests …", flush=True)
        ours, theirs = count_requests(around, load)
        gateway, floor = stack.enter_context(around.gateway()), stack.enter_context(around.floor())
        for server in (gateway, floor):
            _warm_up(server, around, load)
        measured = [_measured(case, gateway, floor, around, load, rounds) for case in planned]
        gateway_mb, floor_mb = resident_mb(gateway.pid), resident_mb(floor.pid)
        sums = asyncio.run(_books(around.workers))
        return Report(measured, ours, theirs, gateway_mb, floor_mb, sums["usage_rows"], sums["drift"])


def _warm_up(server: Server, around: World, load: LoadProcess) -> None:
    load.run(Job(server.base_url, around.api_key, WARM_UP_CALLS))
    for include_usage in (False, True):
        load.run(Job(server.base_url, around.api_key, WARM_UP_STREAMS, stream=True, include_usage=include_usage))
    for kind, number in WARM_UP_OTHERS.items():
        load.run(Job(server.base_url, around.api_key, number, kind=kind))


def _measured(case: Case, gateway: Server, floor: Server, around: World, load: LoadProcess, rounds: int) -> Measured:
    print(f"measuring: {case.name.strip()} …", flush=True)
    return measure(case, gateway, floor, around.api_key, load, rounds)


async def _books(workers: Workers) -> dict[str, int]:
    return dict(totals(await workers.maintenance.reconcile_all()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, default=LOCAL_DIR / "bench.json", help="where the figures go as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
