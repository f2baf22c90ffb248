"""Every class of the error tree, and one instance of each."""

from collections.abc import Iterator

from multiconnection import errors
from multiconnection.errors import GatewayError, RateLimited, UpstreamRejected


def _below(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _sample(kind: type[GatewayError]) -> GatewayError:
    if issubclass(kind, RateLimited):
        return kind("an example", reason="key_requests", retry_after_s=1.5)
    if issubclass(kind, UpstreamRejected):
        return kind("an example", status=413, code="string_too_long")
    return kind("an example")


# Base classes, which have no code of their own.
ABSTRACT = frozenset({errors.Unauthenticated, errors.KeyRefused, errors.NotFound, errors.Conflict, errors.Unavailable})
ALL = [kind for kind in _below(GatewayError) if kind.__module__ == errors.__name__ and kind not in ABSTRACT]
SAMPLES = {kind: _sample(kind) for kind in ALL}
