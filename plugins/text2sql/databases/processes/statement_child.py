"""``python -m plugins.text2sql.databases.processes.statement_child``: runs the statements of another process.

Its standard input is a socket.  The first message is a :class:`Beginning`, then come statements with
their numbers, one at a time, and interrupts: the number of the statement alone.  It says when it is ready,
then answers each statement.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import resource
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import psutil

from plugins.text2sql.databases.database import Database, Rows, StatementError
from plugins.text2sql.databases.processes.statement_replies import READY, Reply, encode
from plugins.text2sql.databases.statement_runner import Opening, readable_rows
from plugins.text2sql.databases.stopping import Stopping
from sched.errors import ConfigError

_NICENESS = 5
_EXTRA_PROCESSOR_SECONDS = 1.0
_WORN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a process is told first: where modules lie, and how many bytes of memory it may take."""

    module_path: tuple[str, ...]
    memory_bytes: int


class _Statements:
    """Runs what the connection brings, in the main thread; a second thread listens for interrupts."""

    def __init__(self, connection: Connection, memory_bytes: int) -> None:
        self._connection = connection
        self._memory_bytes = memory_bytes
        self._databases: dict[Opening, Database] = {}
        self._asked: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._current: tuple[int, Stopping] | None = None
        self._interrupted = -1

    def listen(self) -> None:
        """Take in messages; the process ends with the connection, whatever it is doing."""
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, int):
                    self._interrupt(message)
                else:
                    self._asked.put(message)
        except (EOFError, OSError):
            os._exit(0)

    def run(self) -> None:
        """Answer one statement after the other."""
        while True:
            number, asked = self._asked.get()
            stopping = Stopping()
            with self._lock:
                self._current = (number, stopping)
                if self._interrupted == number:
                    stopping.stop("unavailable", "interrupted")
            outcome = self._outcome(asked, stopping)
            with self._lock:
                self._current = None
            self._connection.send_bytes(encode(Reply(outcome, self._worn())))

    def _interrupt(self, number: int) -> None:
        with self._lock:
            self._interrupted = number
            if self._current is not None and self._current[0] == number:
                self._current[1].stop("unavailable", "interrupted")

    def _outcome(self, asked: bytes, stopping: Stopping) -> Rows | StatementError:
        try:
            opening, statement = pickle.loads(asked)  # noqa: S301 (from the process that started this one)
            _limit_processor_time(opening.limits.seconds)
            return readable_rows(self._opened(opening), statement, stopping.interruptible)
        except StatementError as error:
            return error
        except ConfigError as error:
            return StatementError("unavailable", error.message)
        except MemoryError:
            return StatementError("invalid", "the statement takes too much memory")
        except Exception as error:  # a fault of the driver or the kind: the next statement may do better
            return StatementError("invalid", f"{type(error).__name__}: {error}")

    def _opened(self, opening: Opening) -> Database:
        opening = replace(opening, connections=1)
        if opening not in self._databases:
            self._databases[opening] = opening()
        return self._databases[opening]

    def _worn(self) -> bool:
        return psutil.Process().memory_info().rss > _WORN_SHARE * self._memory_bytes


def _limit_processor_time(seconds: float) -> None:
    """Have the kernel end this process should nobody interrupt a statement that goes on for ever."""
    cores = os.cpu_count() or 1
    most = time.process_time() + seconds * cores + _EXTRA_PROCESSOR_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(most) + 1
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def main() -> None:
    """Serve the process at the other end of the standard input until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is meant for the launcher
    os.nice(_NICENESS)
    logging.disable()  # what matters is in the replies
    with socket.socket(fileno=os.dup(0)) as inherited:
        connection = Connection(inherited.detach())
    try:
        beginning: Beginning = connection.recv()
    except (EOFError, OSError):
        return
    sys.path[:] = beginning.module_path
    resource.setrlimit(resource.RLIMIT_DATA, (beginning.memory_bytes, beginning.memory_bytes))
    statements = _Statements(connection, beginning.memory_bytes)
    connection.send_bytes(READY)
    threading.Thread(target=statements.listen, name="listener", daemon=True).start()
    statements.run()


if __name__ == "__main__":
    main()
