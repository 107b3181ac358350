"""One fault, injected while clients ask: how soon it was noticed and healed, and what it cost them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from launch.bench.chaos.chaos_clients import ANSWER_SECONDS, CALL, QUESTION
from launch.bench.chaos.chaos_server import until
from launch.bench.chaos.fault import Fault, Stand
from launch.bench.chaos.run_twice import read_ledger, run_twice
from launch.bench.chaos.verdict import ChaosVerdict, judged
from launch.bench.cost.probe_load import BenchError

_WARM_SECONDS = 300.0
_WARM_CALLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What came of one.  Seconds are counted from the injection, to ``recovered`` from the fault's end, if it
    doesn't end at once; ``None``: it didn't come to that within the limit."""

    fault: str
    stand: str
    noticed_seconds: float | None
    recovered_seconds: float | None
    verdict: ChaosVerdict
    twice: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether nothing was lost or ran twice, and all was noticed and healed in time."""
        healed = self.noticed_seconds is not None and self.recovered_seconds is not None
        return healed and not self.verdict.lost and not self.twice


def injected(name: str, kind: type[Fault], stand: Stand) -> Injection:
    """Inject a fault into a server that serves, wait until it is healed, and judge.

    Raises:
        BenchError: the server doesn't serve before, or its runtimes don't write down what they run.
    """
    _warm(stand)
    since = time.monotonic()
    fault = kind(stand)
    fault.inject()
    harmed = time.monotonic()
    noticed = _seconds(fault.noticed, harmed, kind.NOTICED_WITHIN)
    ended = time.monotonic() if fault.end() else harmed
    recovered = _seconds(fault.recovered, ended, kind.RECOVERED_WITHIN)
    over = time.monotonic()
    touched = [one for one in stand.clients.seen() if one.began <= over]
    until(lambda: all(one.ended for one in touched), ANSWER_SECONDS + 30.0)
    touched = [one for one in touched if one.ended is None or one.ended >= since]
    written = read_ledger(stand.server.ledger)
    if not written:  # a fault may keep everything from running, but not what ran before it
        raise BenchError("the runtimes wrote down nothing of what they ran: nobody can tell what ran twice")
    return Injection(
        fault=name,
        stand=kind.STAND,
        noticed_seconds=noticed,
        recovered_seconds=recovered,
        verdict=judged(touched, kind.EXCUSES, stand.server.workflow, stand.server.accepted),
        twice=run_twice(written, since),
    )


def _seconds(condition: Callable[[], bool], since: float, limit: float) -> float | None:
    return time.monotonic() - since if until(condition, limit) else None


def _warm(stand: Stand) -> None:
    """Wait until the server is whole, and has answered calls and a question from now on."""
    since = time.monotonic()

    def serves() -> bool:
        calls, questions = (stand.answered_since(since, kind) for kind in (CALL, QUESTION))
        return stand.server.ready() and len(calls) >= _WARM_CALLS and bool(questions)

    if not until(serves, _WARM_SECONDS):
        raise BenchError(f"the server doesn't serve before a fault:\n{stand.server.said()}")
