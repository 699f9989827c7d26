"""How fast requests are answered, over the last minute. Knows nothing of what they are about."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Metrics", "Speed", "quantile"]

_WINDOW_SECONDS = 60.0
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of the site.

    Attributes:
        uptime_seconds: Since the process began to serve.
        requests: Answered so far.
        failures: Those of them answered with a status of 500 or above.
        per_second: Requests a second, in the last minute.
        p50_ms: Median time of a request in the last minute, without waiting for a free thread;
            None without requests.
        p90_ms: 90 % of them were at least that fast.
        p99_ms: 99 % of them were.
        max_ms: The slowest.
    """

    uptime_seconds: float
    requests: int
    failures: int
    per_second: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Metrics:
    """Counts requests. Thread-safe; memory is bounded.

    Args:
        clock: Seconds that never go back; another one for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._requests = 0
        self._failures = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def observe(self, status: int, seconds: float) -> None:
        """Counts one request that took so long."""
        with self._lock:
            self._requests += 1
            self._failures += status >= 500
            self._recent.append((self._clock(), seconds))

    def speed(self) -> Speed:
        """The figures now."""
        now = self._clock()
        with self._lock:
            recent = list(self._recent)
            requests, failures = self._requests, self._failures
        is_full = len(recent) == _KEPT
        since = max(now - _WINDOW_SECONDS, self._began, recent[0][0] if is_full else self._began)
        times = sorted(1000 * seconds for when, seconds in recent if when >= since)
        span = max(now - since, 1e-3)
        p50, p90, p99, slowest = (
            quantile(times, share) if times else None for share in (0.5, 0.9, 0.99, 1.0)
        )
        return Speed(
            uptime_seconds=now - self._began,
            requests=requests,
            failures=failures,
            per_second=len(times) / span,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            max_ms=slowest,
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of sorted values that at least a share of them do not exceed.

    Example:
        >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
        2.0
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
