"""What is left of a caller's limits, as the `x-ratelimit-*` headers tell it."""

from collections.abc import Sequence
from dataclasses import dataclass

from multiconnection.domain.limits import Rate, format_reset


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit per minute: how much of it is free now, and seconds until all of it is."""

    limit: int
    remaining: int
    reset_s: float

    @classmethod
    def of(cls, rate: Rate, tat_ns: int, now_ns: int) -> "Bucket":
        return cls(rate.per_minute, rate.remaining(tat_ns, now_ns), rate.reset_s(tat_ns, now_ns))


@dataclass(frozen=True, slots=True)
class LimitState:
    """The tightest request limit and the tightest token limit, and which subjects were counted."""

    requests: Bucket
    tokens: Bucket
    subjects: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        return _headers("requests", self.requests) | _headers("tokens", self.tokens)


def tightest(buckets: Sequence[Bucket]) -> Bucket:
    """The bucket that runs dry first."""
    return min(buckets, key=lambda bucket: (bucket.remaining, bucket.limit))


def _headers(kind: str, bucket: Bucket) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(bucket.limit),
        f"x-ratelimit-remaining-{kind}": str(bucket.remaining),
        f"x-ratelimit-reset-{kind}": format_reset(bucket.reset_s),
    }
