"""The processes in which statements run."""

from __future__ import annotations

import logging
import threading

from plugins.text2sql.databases.database import Database, Interruptible, Rows, StatementError
from plugins.text2sql.databases.processes.statement_process import StatementProcess
from plugins.text2sql.databases.statement_runner import Opening

logger = logging.getLogger(__name__)


class StatementProcesses:
    """Runs each statement in one of ``count`` processes; implements ``statement_runner.StatementRunner``.

    Each may take ``memory_bytes``.  They are started at once, so that no statement waits for a start but
    after another one has ended its process.  At most ``count`` threads may run statements at a time.
    """

    def __init__(self, count: int, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._closed = False
        self._free: list[StatementProcess] = []
        self._busy: set[StatementProcess] = set()
        for _ in range(count):
            self._add()

    def run(self, opening: Opening, database: Database, statement: str, interruptible: Interruptible) -> Rows:
        """Run ``statement`` on the database of ``opening``, opened in a process.

        Raises:
            StatementError: it gave no rows, or there is no process.
        """
        process = self._taken()
        try:
            process.next()
            with interruptible(process.interrupt):
                return process.run(opening, statement)
        finally:
            self._give_back(process)

    def pids(self) -> tuple[int, ...]:
        """Return the ids of the processes."""
        with self._lock:
            return tuple(process.pid for process in (*self._free, *self._busy))

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self._lock:
            self._closed = True
            for process in self._busy:
                process.end()
        for process in self._free:
            process.close()

    def _taken(self) -> StatementProcess:
        while True:
            with self._lock:
                if self._closed:
                    raise StatementError("unavailable", "the databases are closed")
                process = self._free.pop() if self._free else None
                if process is not None and process.usable:
                    self._busy.add(process)
                    return process
            if process is not None:
                self._replace(process)
            elif not self._add():
                raise StatementError("unavailable", "no process for the statement could be started")

    def _give_back(self, process: StatementProcess) -> None:
        with self._lock:
            self._busy.discard(process)
            if process.usable:
                self._free.append(process)
                return
        self._replace(process)

    def _replace(self, process: StatementProcess) -> None:
        process.close()
        if not self._closed:
            logger.warning("process %d, which ran statements, has ended and is replaced", process.pid)
            self._add()

    def _add(self) -> bool:
        """Start a process and return whether that was possible; if not, the next statement tries again."""
        try:
            process = StatementProcess(self._memory_bytes)
        except OSError as error:
            logger.error("no process for statements can be started: %s", error)
            return False
        with self._lock:
            if not self._closed:
                self._free.append(process)
                return True
        process.close()
        return False
