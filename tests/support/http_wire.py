"""Just enough of an HTTP/1.1 server's side of the wire: heads, chunked bodies with trailers, answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

HEAD_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """A request's first line and headers, names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Body:
    """Iterate for the chunks as they were sent; `trailers` are known after the last one."""

    reader: asyncio.StreamReader
    head: Head
    trailers: dict[str, str] = field(default_factory=dict)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.head.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self.reader.readline()).partition(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            self.trailers = await read_fields(self.reader)
        elif length := int(self.head.headers.get("content-length", "0")):
            yield await self.reader.readexactly(length)

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """None when the client has closed the connection."""
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split()
    return Head(method, path, await read_fields(reader))


async def read_fields(reader: asyncio.StreamReader) -> dict[str, str]:
    """Header or trailer lines up to the empty one."""
    fields: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return fields


async def write_answer(
    writer: asyncio.StreamWriter, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in fields.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    await writer.drain()
