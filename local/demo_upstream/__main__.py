"""The demo upstream as a process: `python -m local.demo_upstream --port 0`."""

import argparse
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from local.demo_upstream.app import app

# uvicorn's line about an unfinished answer; dropping connections is what demo-cut is for.
_UNFINISHED = "ASGI callable returned without completing response."
# As long as real providers keep them: callers reuse connections, and a reused one must not be closing.
KEEP_ALIVE_S = 75


class DemoServer(uvicorn.Server):
    """Prints its address; a signal ends it at once, since it has nothing to save."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        print(f"demo upstream ready on http://{host}:{port}/v1", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        yield


def main() -> None:
    """Serve until a signal comes; a port in use ends it with status 3."""
    parser = argparse.ArgumentParser(prog="python -m local.demo_upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    options = parser.parse_args()
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != _UNFINISHED)
    DemoServer(config).run()


if __name__ == "__main__":
    main()
