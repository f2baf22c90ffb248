"""Lambda handlers that are observed: the context on every line, and a metric for each cold start."""

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import cache, wraps
from typing import Any, TypeVar

from multiconnection.config import Settings
from multiconnection.observability.logging import begin_correlation, configure_logging
from multiconnection.observability.metrics import Emf

Handler = Callable[[Any, Any], Any]
T = TypeVar("T")


def observed(handler: Handler) -> Handler:
    """The handler between Powertools' `inject_lambda_context` and `log_metrics`.

    The settings are read at the first invocation, because a module is also imported where there are none. Events are
    never logged, whatever POWERTOOLS_LOGGER_LOG_EVENT says: they hold prompts and passwords.
    """

    @cache
    def instrumented() -> Handler:
        settings = Settings.from_environment()
        logger, emf = configure_logging(settings.log_level), Emf(settings.metrics_namespace)
        measured: Handler = emf.log_metrics(handler, capture_cold_start_metric=True)
        found: Handler = logger.inject_lambda_context(measured, log_event=False, clear_state=True)
        return found

    @wraps(handler, updated=())
    def observed_handler(event: Any, context: Any) -> Any:
        return instrumented()(event, context)

    return observed_handler


def worker(handler: Handler) -> Handler:
    """A worker's handler, observed; Lambda's id of the invocation is its request id."""

    @observed
    @wraps(handler)
    def with_request_id(event: Any, context: Any) -> Any:
        begin_correlation(context.aws_request_id)
        return handler(event, context)

    return with_request_id


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it on the process's own event loop, which what workers keep between invocations may be bound to.

    In the caller's context: a runner would keep that of its first run, and with it the ids of that invocation.
    """
    return _runner().run(coroutine, context=copy_context())


@cache
def _runner() -> asyncio.Runner:
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner
