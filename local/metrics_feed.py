"""The local CloudWatch Logs: follows the functions' log files and puts their metrics into the local CloudWatch."""

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.metrics import MetricFilter, Sample, extracted

EVERY_S = 2.0
STOP_S = 10.0
# All that is held in memory at a time, about the lines of a hundred calls; no line of ours comes near it.
CHUNK_BYTES = 64 * 1024


class LogTail:
    """The lines of a log file since the last look. A file that became shorter was begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> list[bytes]:
        """Whole lines, a chunk of them; empty at the end. Raises OSError."""
        with self._path.open("rb") as log:
            if os.fstat(log.fileno()).st_size < self._offset:
                self._offset = 0
            log.seek(self._offset)
            chunk = log.read(CHUNK_BYTES)
        end = chunk.rfind(b"\n") + 1
        if not end and len(chunk) == CHUNK_BYTES:
            end = CHUNK_BYTES
        self._offset += end
        return chunk[:end].splitlines()


class MetricsFeed:
    """A thread beside the functions' processes: they wait for nothing, and what cannot be put is lost, as is said."""

    def __init__(self, logs: Sequence[Path], filters: Sequence[MetricFilter], connected: Callable[[], Any]) -> None:
        """`connected` makes a client of CloudWatch."""
        self._tails = [LogTail(path) for path in logs]
        self._filters = filters
        self._connected = connected
        self._stopped = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends what has been written so far, then stops."""
        self._stopped.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        client = self._connected()
        while not self._stopped.wait(EVERY_S):
            self._turn(client)
        self._turn(client)

    def _turn(self, client: Any) -> None:
        for tail in self._tails:
            try:
                while lines := tail.lines():
                    for namespace, data in _requests(lines, self._filters).items():
                        client.put_metric_data(Namespace=namespace, MetricData=data)
            except (BotoCoreError, ClientError, OSError) as exc:
                self._tell(exc)

    def _tell(self, exc: Exception) -> None:
        if not self._failed:
            print(f"Metrics are missing on the Providers page (said once): {exc!r}", flush=True)
        self._failed = True


def _requests(lines: Sequence[bytes], filters: Sequence[MetricFilter]) -> dict[str, list[dict[str, Any]]]:
    """Namespace → data. Equal values of a minute are one: every call has the value 1 in most of its metrics."""
    counted: defaultdict[Sample, Counter[float]] = defaultdict(Counter)
    for line in lines:
        for sample, value in extracted(line, filters):
            counted[sample][value] += 1
    requests: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for sample, values in counted.items():
        requests[sample.namespace].append(_datum(sample, values))
    return requests


def _datum(sample: Sample, values: Mapping[float, int]) -> dict[str, Any]:
    return {
        "MetricName": sample.name,
        "Unit": sample.unit,
        "Dimensions": [{"Name": name, "Value": value} for name, value in sample.dimensions],
        "Timestamp": sample.minute,
        "Values": list(values.keys()),
        "Counts": [float(count) for count in values.values()],
    }
