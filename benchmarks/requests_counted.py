"""A short run of its own through the counting proxy: DynamoDB requests per call, of gateway and floor."""

from dataclasses import dataclass

import httpx

from benchmarks.counting import READS
from benchmarks.load import Job
from benchmarks.load_process import LoadProcess
from benchmarks.world import Server, World

WARM_UP = 20
COUNTED = 200


@dataclass(frozen=True, slots=True)
class Requests:
    """Per call. `by_operation` has writes and reads; bytes are those of bodies, requests and answers."""

    writes: float
    reads: float
    sent_bytes: float
    received_bytes: float
    by_operation: dict[str, float]


def count_requests(world: World, load: LoadProcess) -> tuple[Requests, Requests]:
    """Gateway, then floor. Raises LoadFailed."""
    with world.counting_proxy() as proxy:
        with world.gateway(AWS_ENDPOINT_URL=proxy.origin) as gateway:
            ours = _counted(gateway, proxy, world.api_key, load)
        with world.floor(AWS_ENDPOINT_URL=proxy.origin) as floor:
            return ours, _counted(floor, proxy, world.api_key, load)


def _counted(server: Server, proxy: Server, api_key: str, load: LoadProcess) -> Requests:
    load.run(Job(server.base_url, api_key, WARM_UP))
    _taken(proxy)
    load.run(Job(server.base_url, api_key, COUNTED))
    counts = _taken(proxy)
    sent, received = counts.pop("sent_bytes", 0), counts.pop("received_bytes", 0)
    per_call = {operation: number / COUNTED for operation, number in sorted(counts.items())}
    reads = sum(number for operation, number in per_call.items() if operation in READS)
    return Requests(sum(per_call.values()) - reads, reads, sent / COUNTED, received / COUNTED, per_call)


def _taken(proxy: Server) -> dict[str, int]:
    """The requests that the proxy has seen since the last call."""
    counts: dict[str, int] = httpx.get(f"{proxy.origin}/_counts", trust_env=False).raise_for_status().json()
    return counts
