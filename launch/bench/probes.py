"""How soon probes are answered beside large requests: ``/health`` while clients send the most that is legal.

A server of simulated runtimes is asked by ``--clients`` processes, each body again and again for
``--seconds``; meanwhile this process asks for ``/health`` every 20 ms.  ``idle`` is without clients.  A
probe that isn't answered within 10 s counts as 10 s.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path

import httpx
import orjson
from rich.console import Console
from rich.table import Table

from launch.bench.chaos.chaos_server import chaos_server
from launch.bench.cost.controller_cost import Spread, spread
from launch.bench.cost.probe_load import BenchError

HELP = "how soon /health is answered beside large and hostile bodies"

_BYTES = 15_900_000
"""Just under the limit of a body."""
_SECONDS_APART = 0.02
_MOST_SECONDS = 10.0
_START_SECONDS = 60.0


def _generate(**fields: object) -> bytes:
    return orjson.dumps({"sampling_params": {"max_new_tokens": 1}, **fields})


BODIES: Mapping[str, Callable[[], bytes | None]] = {
    "idle": lambda: None,
    "one long text": lambda: _generate(text="word " * (_BYTES // 5)),
    "4,000 prompts": lambda: _generate(text=[f"prompt {number}" for number in range(4_000)]),
    "n=1,500": lambda: orjson.dumps({"text": "a", "sampling_params": {"n": 1_500, "max_new_tokens": 1}}),
    "200,000 token ids": lambda: _generate(input_ids=list(range(200_000))),
    "nested lists": lambda: b"[" * _BYTES,
    "millions of values": lambda: _generate(input_ids=[0] * (_BYTES // 2 - 100)),
    "no JSON": lambda: b"\xff" * _BYTES,
}
"""The bodies sent to ``/generate``, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """Milliseconds of ``/health`` beside a ``body`` that was answered ``requests`` times."""

    body: str
    requests: int
    probes: int
    milliseconds: Spread
    most: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    parser.add_argument("--seconds", type=float, default=8.0, help="per kind of body (default: 8)")
    parser.add_argument("--clients", type=int, default=4, help="that send at a time (default: 4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    rows = []
    table = Table(title=f"/health beside {arguments.clients} clients, ms")
    for name in ("body", "requests", "probes", "P50", "P90", "P99", "most"):
        table.add_column(name, justify="left" if name == "body" else "right")
    with chaos_server((), simulated=True) as server:
        for body in BODIES:
            row = _measured(server.url, body, arguments.clients, arguments.seconds)
            rows.append(row)
            figures = (*asdict(row.milliseconds).values(), row.most)
            table.add_row(body, str(row.requests), str(row.probes), *(f"{value:.1f}" for value in figures))
    Console(highlight=False).print(table)
    if arguments.json:
        report = {"bench": "probes", "rows": [asdict(row) for row in rows]}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _measured(url: str, body: str, clients: int, seconds: float) -> ProbeRow:
    """Return what probes took while ``clients`` sent ``body`` for so many ``seconds``."""
    fresh = multiprocessing.get_context("spawn")
    ready, over, answered = fresh.Semaphore(0), fresh.Event(), fresh.Semaphore(0)
    senders = [
        fresh.Process(target=_send, args=(url, body, ready, over, answered), daemon=True)
        for _ in range(clients)
    ]
    for sender in senders:
        sender.start()
    try:
        for _ in senders:
            if not ready.acquire(timeout=_START_SECONDS):
                raise BenchError("a client did not start")
        taken = _probed(url, seconds)
    finally:
        over.set()
        for sender in senders:
            sender.join(_MOST_SECONDS)
            sender.kill()
    requests = 0
    while answered.acquire(block=False):
        requests += 1
    return ProbeRow(
        body=body,
        requests=requests,
        probes=len(taken),
        milliseconds=spread(taken),
        most=max(taken),
    )


def _probed(url: str, seconds: float) -> list[float]:
    """Return the milliseconds of each probe."""
    taken: list[float] = []
    ends = time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=_MOST_SECONDS, trust_env=False) as client:
        while time.monotonic() < ends or len(taken) < 2:
            began = time.monotonic()
            with suppress(httpx.HTTPError):
                client.get("/health")
            taken.append(1000 * (time.monotonic() - began))
            time.sleep(_SECONDS_APART)
    return taken


def _send(url: str, body: str, ready: Semaphore, over: Event, answered: Semaphore) -> None:
    """Send ``body`` again and again until it is ``over``."""
    content = BODIES[body]()
    with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as client:
        ready.release()
        while content is not None and not over.is_set():
            with suppress(httpx.HTTPError):
                client.post("/generate", content=content, headers={"content-type": "application/json"})
                answered.release()
