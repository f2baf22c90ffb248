"""uvicorn for the benchmark's own servers, with the settings of the local gateway."""

import uvicorn
from starlette.types import ASGIApp

from local.serve import UVICORN


def config(app: ASGIApp, port: int) -> uvicorn.Config:
    """The configuration of local/serve.py, so that servers are not compared."""
    return uvicorn.Config(app, port=port, **UVICORN)


def serve(app: ASGIApp, port: int) -> None:
    """Until SIGTERM."""
    uvicorn.Server(config(app, port)).run()
