"""The load generator, a process of its own: takes one job a line on stdin, answers each with one line of figures."""

import asyncio
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import aiohttp
import orjson

MODEL = "gpt-4.1-mini"
CALL_CHUNKS = 20
STREAM_CHUNKS = 200  # with the role chunk and the finish chunk: 202
PROMPT = "Explain in three sentences how a prepaid account is charged for a streamed answer."
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Job:
    """`requests` calls or streams against `base_url`, `concurrency` at a time.

    `delay_ms` is the upstream's pause between two chunks; 0 sends them as fast as they go.
    """

    base_url: str
    api_key: str
    requests: int
    stream: bool = False
    include_usage: bool = False
    delay_ms: int = 0
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class Done:
    """What came back. `failures` counts by kind; `events` are those of all streams together, [DONE] included."""

    completed: int
    events: int
    reads: int
    failures: dict[str, int]


def body_of(job: Job) -> bytes:
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": PROMPT},
        ],
        "max_tokens": 400,
        "demo": {"chunks": STREAM_CHUNKS if job.stream else CALL_CHUNKS},
    }
    if job.stream:
        body |= {"stream": True, "stream_options": {"include_usage": job.include_usage}}
        body["demo"]["delay_ms"] = job.delay_ms
    return orjson.dumps(body)


class Generator:
    """Keeps its connections from job to job."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def run(self, job: Job) -> Done:
        tally: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        tickets = count()
        body = body_of(job)

        async def work() -> None:
            while next(tickets) < job.requests:
                try:
                    tally.update(await self._one(job, body))
                except (aiohttp.ClientError, TimeoutError) as exc:
                    failures[type(exc).__name__] += 1

        await asyncio.gather(*(work() for _ in range(job.concurrency)))
        failures += Counter({name: number for name, number in tally.items() if name.startswith("not ")})
        return Done(tally["completed"], tally["events"], tally["reads"], dict(failures))

    async def _one(self, job: Job, body: bytes) -> dict[str, int]:
        headers = {"authorization": f"Bearer {job.api_key}", "content-type": "application/json"}
        async with self._session.post(f"{job.base_url}/chat/completions", data=body, headers=headers) as answer:
            if answer.status != 200:
                await answer.read()
                return {f"not 200 but {answer.status}": 1}
            return await (_stream(answer) if job.stream else _whole(answer))


async def _whole(answer: aiohttp.ClientResponse) -> dict[str, int]:
    return {"completed": 1} if "choices" in orjson.loads(await answer.read()) else {"not an answer": 1}


async def _stream(answer: aiohttp.ClientResponse) -> dict[str, int]:
    parts = [chunk async for chunk in answer.content.iter_any()]
    data = b"".join(parts)
    if not data.endswith(b"data: [DONE]\n\n"):
        return {"not ended with [DONE]": 1}
    return {"completed": 1, "events": data.count(b"\n\n"), "reads": len(parts)}


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
