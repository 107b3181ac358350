"""Faults around the server's processes: databases, statements, the journal's disk."""

from __future__ import annotations

import signal
import time
from abc import abstractmethod
from contextlib import suppress

import psutil

from launch.bench.chaos.chaos_clients import CALL, QUESTION
from launch.bench.chaos.chaos_server import until
from launch.bench.chaos.fault import Fault, Stand, send
from launch.bench.cost.probe_load import BenchError

OTHER_DATABASE = "orders"
STATEMENT = "SELECT COUNT(*) FROM orders"
_LONG_STATEMENT = (
    "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100000000) "
    "SELECT COUNT(*) FROM numbers, orders"
)
_BUSY_SECONDS = 0.3
_BUSY_WITHIN = 60.0


class DatabaseGone(Fault):
    """PostgreSQL is shut down; it comes back once questions to it are refused."""

    STAND = "database"
    EXCUSES = frozenset({"unavailable"})

    def inject(self) -> None:
        """Shut it down."""
        assert self.stand.database is not None
        self.stand.database.stop()

    def noticed(self) -> bool:
        """Whether the server says so."""
        return self._state() == "unavailable"

    def end(self) -> bool:
        """Start it again."""
        assert self.stand.database is not None
        self.stand.database.start()
        return True

    def recovered(self) -> bool:
        """Whether it can be asked again."""
        return self._state() == "ready"

    def _state(self) -> str:
        told = self.server.get("/v1/databases") or {"details": []}
        states = {one["name"]: str(one["state"]) for one in told["details"]}
        return states.get(OTHER_DATABASE, "")


class _OfStatements(Fault):
    """A fault of the processes that run statements."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand)
        self._before = {process.pid for process in self.server.statement_processes()}
        self._victims: set[int] = set()
        self._ended = 0.0

    @abstractmethod
    def harm(self) -> set[int]:
        """Do the harm and return the processes that it was done to."""

    def inject(self) -> None:
        """Do the harm."""
        self._victims = self.harm()

    def noticed(self) -> bool:
        """Whether one that was hurt is gone."""
        return not self._victims <= {process.pid for process in self.server.statement_processes()}

    def end(self) -> bool:
        """Have statements be short again."""
        (self.stand.faults / "text").write_text(STATEMENT)
        self._ended = time.monotonic()
        return True

    def recovered(self) -> bool:
        """Whether there are as many processes as before, and statements give rows."""
        full = len(self.server.statement_processes()) == len(self._before)
        return full and any(one.rows for one in self.stand.answered_since(self._ended, QUESTION))


class StatementHangs(_OfStatements):
    """All processes that run statements hang (SIGSTOP): the first statement that comes neither ends nor heeds
    an interrupt.  Those that were asked nothing go on afterwards."""

    NOTICED_WITHIN = 30.0

    def harm(self) -> set[int]:
        """Stop them."""
        for pid in self._before:
            send(pid, signal.SIGSTOP)
        return self._before

    def end(self) -> bool:
        """Wake up those that are left."""
        for pid in self._before:
            send(pid, signal.SIGCONT)
        return super().end()


class StatementCrashes(_OfStatements):
    """A statement is under way when its process crashes (SIGSEGV)."""

    def harm(self) -> set[int]:
        """Have long statements written, and crash the process of the first that runs.

        Raises:
            BenchError: none runs.
        """
        (self.stand.faults / "text").write_text(_LONG_STATEMENT)
        used: dict[int, float] = {}
        busy: set[int] = set()

        def one_is_busy() -> bool:
            for process in self.server.statement_processes():
                with suppress(psutil.NoSuchProcess):
                    seconds = process.cpu_times().user
                    if seconds - used.setdefault(process.pid, seconds) > _BUSY_SECONDS:
                        busy.add(process.pid)
            return bool(busy)

        if not until(one_is_busy, _BUSY_WITHIN):
            raise BenchError("no statement ran that could be crashed")
        for pid in busy:
            send(pid, signal.SIGSEGV)
        return busy


class JournalDiskFull(Fault):
    """The journal is ``/dev/full`` from the start, so nothing of it can be written."""

    STAND = "journal"
    FRESH = True

    def inject(self) -> None:
        """Nothing: the disk is full already; what is measured begins with the first call."""
        self._since = time.monotonic()

    def noticed(self) -> bool:
        """Whether the server says so to whoever looks after it."""
        return "journal" in (self.server.get("/readiness") or {})

    def recovered(self) -> bool:
        """Whether calls and questions are answered without it."""
        answered = self.stand.answered_since
        return bool(answered(self._since, CALL) and answered(self._since, QUESTION))
