"""Faults of the server's processes: killed, stopped, slow, never ready again."""

from __future__ import annotations

import signal
import time
from typing import ClassVar

from launch.bench.chaos.chaos_clients import CALL
from launch.bench.chaos.fault import Fault, OnController, OnWorker, Stand, send

_LATEST = 60
"""A share is counted over so many answers."""
_FEW_SHARE = 0.25
_FAIR_SHARE = 0.35
"""Of two runtimes: a slow one is avoided below the first share, and trusted again above the second."""


class WorkerKilled(OnWorker):
    """SIGKILL to a worker."""

    FRESH = True

    def inject(self) -> None:
        """Kill it."""
        send(self.pid, signal.SIGKILL)


class WorkerStopped(OnWorker):
    """SIGSTOP to a worker, SIGCONT once it was given up."""

    NOTICED_WITHIN = 15.0

    def inject(self) -> None:
        """Stop it."""
        send(self.pid, signal.SIGSTOP)

    def end(self) -> bool:
        """Wake it up."""
        send(self.pid, signal.SIGCONT)
        return True


class SchedulerHangs(OnWorker):
    """The scheduler of a simulated runtime stands still, until it was given up."""

    def inject(self) -> None:
        """Stop its loop."""
        (self.stand.faults / "hang").write_text(self.name)

    def end(self) -> bool:
        """Let it go on."""
        (self.stand.faults / "hang").unlink()
        return True


class _OfSglang(OnWorker):
    STAND = "real"
    RECOVERED_WITHIN = 300.0
    TITLE: ClassVar[str]

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand)
        self.victim = self.of_sglang(self.TITLE)


class SchedulerKilled(_OfSglang):
    """SIGKILL to SGLang's scheduler."""

    TITLE = "sglang::scheduler"

    def inject(self) -> None:
        """Kill it."""
        send(self.victim, signal.SIGKILL)


class DetokeniserKilled(_OfSglang):
    """SIGKILL to SGLang's detokeniser, of the other runtime: restarts are paced."""

    RUNTIME = 1
    TITLE = "sglang::detokenizer"

    def inject(self) -> None:
        """Kill it."""
        send(self.victim, signal.SIGKILL)


class SchedulerStopped(_OfSglang):
    """SIGSTOP to SGLang's scheduler, SIGCONT once it was given up."""

    TITLE = "sglang::scheduler"
    NOTICED_WITHIN = 15.0

    def inject(self) -> None:
        """Stop it."""
        send(self.victim, signal.SIGSTOP)

    def end(self) -> bool:
        """Wake it up."""
        send(self.victim, signal.SIGCONT)
        return True


class RealWorkerStopped(WorkerStopped):
    """SIGSTOP to the worker of an SGLang runtime, whose scheduler runs on; SIGCONT once it was given up."""

    STAND = "real"
    RECOVERED_WITHIN = 300.0


class ControllerKilled(OnController):
    """SIGKILL to the controller."""

    FRESH = True

    def inject(self) -> None:
        """Kill it."""
        send(self.pid, signal.SIGKILL)


class ControllerStopped(OnController):
    """SIGSTOP to the controller: the launcher kills it after 30 s and starts another."""

    NOTICED_WITHIN = 40.0
    FRESH = True

    def inject(self) -> None:
        """Stop it."""
        send(self.pid, signal.SIGSTOP)


class LauncherKilled(Fault):
    """SIGKILL to the launcher: what was accepted is answered, what comes is refused, nothing is left."""

    EXCUSES = frozenset({"cut off"})
    ENDS_SERVER = True
    FRESH = True

    def inject(self) -> None:
        """Kill it."""
        self.server.remember()
        self.server.process.kill()

    def noticed(self) -> bool:
        """Whether a client was refused."""
        return any(
            one.code in ("unavailable", "no connection") for one in self.stand.clients.seen()[-_LATEST:]
        )

    def recovered(self) -> bool:
        """Whether all processes have ended and their folder is gone."""
        return not self.server.survivors() and not list(self.server.temporary.iterdir())


class DiesAtEveryStart(OnWorker):
    """A worker is killed, and its model can't be read until two starts have failed."""

    RUNTIME = 1
    NOTICED_WITHIN = 60.0
    FRESH = True

    def inject(self) -> None:
        """Take its tokenizer away, and kill it."""
        assert self.stand.model is not None
        self._file = self.stand.model / "tokenizer.json"
        self._aside = self.stand.model / "aside"
        self._file.rename(self._aside)
        send(self.pid, signal.SIGKILL)

    def noticed(self) -> bool:
        """Whether ``/workers`` counts two failed starts."""
        return int(self.server.workers().get(self.name, {}).get("failed_starts", 0)) >= 2

    def end(self) -> bool:
        """Give the tokenizer back."""
        self._aside.rename(self._file)
        return True


class FiveTimesSlower(OnWorker):
    """Everything takes a simulated runtime five times as long, until calls avoid it."""

    NOTICED_WITHIN = 60.0
    RECOVERED_WITHIN = 120.0

    def inject(self) -> None:
        """Slow it down."""
        self._since = time.monotonic()
        (self.stand.faults / "slow").write_text(self.name)

    def noticed(self) -> bool:
        """Whether few of the latest calls ran there."""
        share = self._share()
        return share is not None and share <= _FEW_SHARE

    def end(self) -> bool:
        """Let it be as fast as before."""
        self._since = time.monotonic()
        (self.stand.faults / "slow").unlink()
        return True

    def recovered(self) -> bool:
        """Whether it gets its share again."""
        share = self._share()
        return share is not None and share >= _FAIR_SHARE

    def _share(self) -> float | None:
        """Return the runtime's share of the latest calls, ``None`` while there are too few."""
        latest = self.stand.answered_since(self._since, CALL)[-_LATEST:]
        if len(latest) < _LATEST:
            return None
        return sum(one.runtime == self.name for one in latest) / _LATEST
