from __future__ import annotations

import threading

from webshop_server.site.metrics import Metrics, quantile


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_speed_of_the_last_minute() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    assert metrics.speed().p50_ms is None
    for status, seconds in ((200, 9.0), (503, 9.0)):
        metrics.observe(status, seconds)
    clock.now += 100
    for milliseconds in range(1, 101):
        metrics.observe(200, milliseconds / 1000)
    speed = metrics.speed()
    assert (speed.requests, speed.failures, speed.uptime_seconds) == (102, 1, 100.0)
    assert speed.per_second == 100 / 60
    assert [round(value or 0) for value in (speed.p50_ms, speed.p90_ms, speed.p99_ms)] == [
        50,
        90,
        99,
    ]
    assert round(speed.max_ms or 0) == 100


def test_a_rate_is_that_of_the_time_that_is_known() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    clock.now += 2
    for _ in range(10):
        metrics.observe(200, 0.001)
    assert metrics.speed().per_second == 5.0
    # More than is kept within a minute: the rate is that of the kept ones.
    for _ in range(40_000):
        clock.now += 0.001
        metrics.observe(200, 0.001)
    assert round(metrics.speed().per_second) == 1000


def test_requests_of_all_threads_count() -> None:
    metrics = Metrics()
    threads = [
        threading.Thread(target=lambda: [metrics.observe(200, 0.0) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.speed().requests == 4000


def test_quantiles_are_values() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 500, 990, 1000]
    assert quantile([7.0], 0.99) == 7.0
