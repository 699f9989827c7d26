"""Measures the web site under load, kills it under load, and sends it what nobody should send.

    python -m benchmarks.webshop_load              # about ten minutes, recorded
    python -m benchmarks.webshop_load --quick      # half a minute, not recorded

A real `hiper serve` runs in a process of its own; the clients are threads of this one, so that
their processor time is known. Half of them use the JSON API, half the pages. Each checks every
answer against what its session has to be. Times are the clients' own: waiting included.
"""

from __future__ import annotations

import http.client
import logging
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from benchmarks.measuring import target
from benchmarks.recording import record
from benchmarks.webshop_clients import (
    ApiShopper,
    HtmlShopper,
    ServerProcess,
    Shopper,
    UnexpectedAnswerError,
    check_kept,
)
from webshop_server.site.metrics import quantile

__all__ = ["LoadArgs", "main", "measure_kills", "measure_load", "shopping"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadArgs:
    """Measures the web site under load."""

    clients: int = 64
    """Clients at the same time, half of them with the JSON API, half with the pages."""
    seconds: float = 60.0
    """How long they shop."""
    kills: int = 5
    """How often the server is killed under load and started again; 0 leaves that out."""
    kill_after: float = 5.0
    """At most so many seconds of load before each kill; drawn."""
    fuzz: int = 10_000
    """Strange requests, half of them made from the API's description; 0 leaves that out."""
    threads: int = 8
    """Threads of the server."""
    generated: int | None = None
    """Sell so many generated products instead of the installed ones."""
    seed: int = 0
    """Seed of the clients' walks and of the strange requests."""
    quick: bool = False
    """Small numbers, to see that everything runs; nothing is recorded."""
    out: Path | None = None
    """Result file; by default benchmarks/results/webshop_load.json."""

    def effective(self) -> LoadArgs:
        """The arguments with ``quick`` applied."""
        if not self.quick:
            return self
        return replace(self, clients=16, seconds=5.0, kills=2, kill_after=1.5, fuzz=400)

    @property
    def server(self) -> list[str]:
        """Arguments of the server."""
        arguments = ["--threads", str(self.threads)]
        return (
            arguments
            if self.generated is None
            else [*arguments, "--generated", str(self.generated)]
        )


def measure_load(args: LoadArgs, folder: Path) -> dict[str, Any]:
    """Requests a second and their times, for ``args.seconds``."""
    with ServerProcess(folder / "load.sqlite3", args.server) as server:
        shoppers = make_shoppers(server.address, args.clients, args.seed)
        memory = server.rss_mib()
        cpu, own_cpu, begin = server.cpu_seconds(), time.process_time(), time.perf_counter()
        with shopping(shoppers):
            time.sleep(args.seconds)
        seconds = time.perf_counter() - begin
        cpu, own_cpu = server.cpu_seconds() - cpu, time.process_time() - own_cpu
        grown = server.rss_mib()
        kept = check_kept(server.address, shoppers)
        errors = server.errors
        code = server.stop()
    api = [shopper for shopper in shoppers if isinstance(shopper, ApiShopper)]
    pages = [shopper for shopper in shoppers if isinstance(shopper, HtmlShopper)]
    faults = [fault for shopper in shoppers for fault in shopper.faults]
    return {
        "clients": len(shoppers),
        "seconds": seconds,
        **_figures(shoppers, seconds),
        "api": _figures(api, seconds),
        "pages": _figures(pages, seconds),
        "purchases": sum(shopper.purchases for shopper in shoppers),
        "faults": len(faults) + len(kept["faults"]),
        "first_faults": [*faults, *kept["faults"]][:20],
        "kept": {name: value for name, value in kept.items() if name != "faults"},
        "server_cpu_seconds": cpu,
        "clients_cpu_seconds": own_cpu,
        "server_mib_before": memory,
        "server_mib_after": grown,
        "server_exit_code": code,
        "server_errors": errors[-2000:],
    }


def measure_kills(args: LoadArgs, folder: Path) -> dict[str, Any]:
    """Kills the server under load, starts it again, and looks for everything it acknowledged."""
    rng = random.Random(args.seed)
    database = folder / "kills.sqlite3"
    rounds: list[dict[str, Any]] = []
    everyone: list[Shopper] = []
    for number in range(args.kills):
        with ServerProcess(database, args.server) as server:
            shoppers = make_shoppers(server.address, args.clients, args.seed + 1000 * (number + 1))
            with shopping(shoppers, may_break=True):
                time.sleep(rng.uniform(0.3, 1.0) * args.kill_after)
                server.kill()
        everyone += shoppers
        with ServerProcess(database, args.server) as server:
            # Sessions of earlier rounds have to outlive this one as well.
            result = check_kept(server.address, everyone)
        faults = [fault for shopper in shoppers for fault in shopper.faults]
        rounds.append({**result, "faults": [*faults, *result["faults"]][:20]})
        _LOG.info("kill %d: %s", number + 1, rounds[-1])
    return {"rounds": rounds}


def measure_fuzz(args: LoadArgs, folder: Path) -> dict[str, Any]:
    """Sends strange requests; any status of 500 or above, or silence, is a failure."""
    from benchmarks.webshop_fuzz import fuzz_described, fuzz_strange

    half = args.fuzz // 2
    with ServerProcess(folder / "fuzz.sqlite3", args.server) as server:
        host, port = server.address
        strange = fuzz_strange(server.address, args.fuzz - half, seed=args.seed)
        described = fuzz_described(f"http://{host}:{port}", half, seed=args.seed)
        errors = server.errors
        code = server.stop()
    return {
        "strange": asdict(strange),
        "described": asdict(described),
        "server_exit_code": code,
        "server_errors": errors[-2000:],
    }


def make_shoppers(address: tuple[str, int], count: int, seed: int) -> list[Shopper]:
    """Clients of a server, every other one with the API."""
    kinds = (ApiShopper, HtmlShopper)
    return [kinds[n % 2](address, f"c{seed + n}", seed + n) for n in range(count)]


@contextmanager
def shopping(shoppers: Sequence[Shopper], *, may_break: bool = False) -> Iterator[None]:
    """Lets shoppers shop, each in a thread, as long as the block runs.

    Args:
        shoppers: The clients.
        may_break: The server may go away, which ends a client; else that is one of its faults.
    """
    stop = threading.Event()

    def shop(shopper: Shopper) -> None:
        while not stop.is_set():
            try:
                shopper.turn()
            except UnexpectedAnswerError as error:
                shopper.faults.append(str(error))
            except (OSError, http.client.HTTPException) as error:
                if not may_break:
                    shopper.faults.append(f"no answer: {error!r}")
                return
        shopper.close()

    threads = [threading.Thread(target=shop, args=(shopper,), daemon=True) for shopper in shoppers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _figures(shoppers: Sequence[Shopper], seconds: float) -> dict[str, Any]:
    times = sorted(1000 * t for shopper in shoppers for t in shopper.seconds)
    if not times:
        return {"requests": 0}
    return {
        "requests": len(times),
        "requests_per_second": len(times) / seconds,
        **{f"p{share}_ms": quantile(times, share / 100) for share in (50, 90, 99)},
        "max_ms": times[-1],
    }


def _targets(results: dict[str, Any]) -> dict[str, Any]:
    targets = {"faults": target(results["load"]["faults"], at_most=0)}
    if "kills" in results:
        rounds = results["kills"]["rounds"]
        missing = sum(one["lost"] + one["changed"] + len(one["faults"]) for one in rounds)
        targets["missing after kills"] = target(missing, at_most=0)
    if "fuzz" in results:
        fuzz = results["fuzz"]
        failures = sum(len(fuzz[kind]["failures"]) for kind in ("strange", "described"))
        targets["failures of strange requests"] = target(failures, at_most=0)
    return targets


def main(args: LoadArgs) -> int:
    """Measures everything and records it, unless it is a quick run.

    Returns:
        0 if all targets are met, 1 otherwise; the speed is recorded, not judged.
    """
    begin = time.perf_counter()
    args = args.effective()
    results: dict[str, Any] = {"args": {k: v for k, v in asdict(args).items() if k != "out"}}
    with tempfile.TemporaryDirectory(prefix="hiper-load-") as name:
        folder = Path(name)
        _LOG.info("load: %d clients for %g s", args.clients, args.seconds)
        results["load"] = measure_load(args, folder)
        if args.kills:
            _LOG.info("%d kills", args.kills)
            results["kills"] = measure_kills(args, folder)
        if args.fuzz:
            _LOG.info("%d strange requests", args.fuzz)
            results["fuzz"] = measure_fuzz(args, folder)
    results["targets"] = targets = _targets(results)
    for name, entry in targets.items():
        _LOG.info("%s %-30s %s", "met   " if entry["met"] else "MISSED", name, entry)
    if args.out or not args.quick:
        seconds = time.perf_counter() - begin
        requests = results["load"]["requests"]
        path = record(
            "webshop_load", results, seeds=[args.seed], n=requests, seconds=seconds, path=args.out
        )
        _LOG.info("recorded in %s", path)
    return int(not all(entry["met"] for entry in targets.values()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(tyro.cli(LoadArgs)))
