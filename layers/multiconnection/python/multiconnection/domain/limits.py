"""Rate-limit arithmetic: GCRA with integer nanoseconds.

A limit of L units per minute is a virtual queue that drains L units a minute; its state is one number, the
theoretical arrival time (TAT). A unit may enter while the queue is shorter than one minute.
"""

from dataclasses import dataclass

MINUTE_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_minute` units in any minute, bursts included."""

    per_minute: int

    def increment_ns(self, units: int) -> int:
        return units * MINUTE_NS // self.per_minute

    def latest_start_ns(self, now_ns: int, units: int) -> int:
        """The largest TAT at which `units` more still fit."""
        return now_ns + MINUTE_NS - self.increment_ns(units)

    def remaining(self, tat_ns: int, now_ns: int) -> int:
        """Whole units that fit now."""
        queued = max(0, tat_ns - now_ns)
        return max(0, (MINUTE_NS - queued) * self.per_minute // MINUTE_NS)

    def reset_s(self, tat_ns: int, now_ns: int) -> float:
        """Seconds until the whole limit is free again."""
        return max(0, tat_ns - now_ns) / 10**9

    def retry_after_s(self, tat_ns: int, now_ns: int, units: int) -> float:
        """Seconds until `units` fit; a whole minute when they never do."""
        if units > self.per_minute:
            return 60.0
        return max(0, tat_ns - self.latest_start_ns(now_ns, units)) / 10**9


def format_reset(seconds: float) -> str:
    """A duration as OpenAI writes it in `x-ratelimit-reset-*`: "12ms", "1.5s", "6m0s"."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"
