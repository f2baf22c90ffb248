"""The load generator, a process of its own: takes one job a line on stdin, answers each with one line of figures."""

import asyncio
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import count

import aiohttp
import orjson

from benchmarks.asked import Ask, ask_of

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Job:
    """`requests` calls or streams of one kind (benchmarks/asked.py) against `base_url`, `concurrency` at a time.

    `stream`, `include_usage` and `delay_ms` are chat's; `delay_ms` is the upstream's pause between two chunks, and 0
    sends them as fast as they go.
    """

    base_url: str
    api_key: str
    requests: int
    stream: bool = False
    include_usage: bool = False
    delay_ms: int = 0
    concurrency: int = 8
    kind: str = "chat"


@dataclass(frozen=True, slots=True)
class Done:
    """The results of a load. `failures` counts by kind; `events` are those of all streams together, [DONE] included."""

    completed: int
    events: int
    reads: int
    failures: dict[str, int]


class Generator:
    """Keeps its connections from job to job."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def run(self, job: Job) -> Done:
        tally: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        tickets = count()
        ask = ask_of(job.kind, job.stream, job.include_usage, job.delay_ms)

        async def work() -> None:
            while next(tickets) < job.requests:
                try:
                    tally.update(await self._one(job, ask))
                except (aiohttp.ClientError, TimeoutError) as exc:
                    failures[type(exc).__name__] += 1

        await asyncio.gather(*(work() for _ in range(job.concurrency)))
        failures += Counter({name: number for name, number in tally.items() if name.startswith("not ")})
        return Done(tally["completed"], tally["events"], tally["reads"], dict(failures))

    async def _one(self, job: Job, ask: Ask) -> dict[str, int]:
        headers = {"authorization": f"Bearer {job.api_key}", "content-type": ask.content_type}
        async with self._session.post(f"{job.base_url}/{ask.path}", data=ask.body, headers=headers) as answer:
            parts = [chunk async for chunk in answer.content.iter_any()]
            if answer.status != 200:
                return {f"not 200 but {answer.status}": 1}
            return _counted(parts, ask, job.stream)


def _counted(parts: list[bytes], ask: Ask, stream: bool) -> dict[str, int]:
    data = b"".join(parts)
    if not ask.is_answer(data):
        return {"not a whole answer": 1}
    return {"completed": 1} | ({"events": data.count(b"\n\n"), "reads": len(parts)} if stream else {})


async def main() -> None:
    """One job after the other until stdin ends."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        generator = Generator(session)
        # Nothing runs between two jobs, so waiting for a line may block.
        for line in sys.stdin:
            done = await generator.run(Job(**orjson.loads(line)))
            sys.stdout.buffer.write(orjson.dumps(asdict(done)) + b"\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
