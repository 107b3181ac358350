"""One process that runs statements, seen from the process that asks."""

from __future__ import annotations

import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from plugins.text2sql.databases.database import Rows, StatementError
from plugins.text2sql.databases.processes.statement_child import Beginning
from plugins.text2sql.databases.processes.statement_replies import READY, Reply, decode, most_bytes
from plugins.text2sql.databases.statement_runner import Opening
from sched.clock import Clock

PATIENCE_SECONDS = 1.0
"""A statement that hasn't ended so long after the first interrupt is ended with its process."""
START_SECONDS = 120.0
_SPARE_SECONDS = 60.0
"""Beyond a statement's limit, after which its process is taken for dead: to open the database, to answer."""
_END_SECONDS = 5.0
_ROOT = Path(__file__).resolve().parents[4]
_COMMAND = (sys.executable, "-m", "plugins.text2sql.databases.processes.statement_child")


class StatementProcess:
    """Runs one statement at a time; usable until :attr:`usable` is false.

    Raises:
        OSError: the process can't be started.
    """

    def __init__(self, memory_bytes: int, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._number = 0
        self._first_interrupt: float | None = None
        self._lock = threading.Lock()
        here, there = socket.socketpair()
        with there:
            try:
                self._process = subprocess.Popen(
                    _COMMAND, stdin=there.fileno(), stdout=subprocess.DEVNULL, cwd=_ROOT
                )
            except OSError:
                here.close()
                raise
        self._connection = Connection(here.detach())
        self._done = False
        self._ready = False
        self._send(Beginning(tuple(sys.path), memory_bytes))

    @property
    def usable(self) -> bool:
        """Whether it can run another statement."""
        return not self._done and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def run(self, opening: Opening, statement: str) -> Rows:
        """Run ``statement`` on the database of ``opening``.

        Raises:
            StatementError: it gave no rows; perhaps it ended the process, which isn't usable then.
        """
        try:
            self._until_ready()
            self._send((self._number, pickle.dumps((opening, statement))))
            reply = self._reply(opening)
        except (EOFError, ConnectionError) as error:
            self.close()
            raise StatementError("invalid", self._ending()) from error
        except (OSError, ValueError) as error:
            self.close()
            raise StatementError("invalid", "the result can't be read, or is too long") from error
        self._done = self._done or reply.worn
        if isinstance(reply.outcome, StatementError):
            raise reply.outcome
        return reply.outcome

    def next(self) -> None:
        """Be ready for another statement: interrupts are meant for it from now on."""
        with self._lock:
            self._number += 1
            self._first_interrupt = None

    def interrupt(self) -> None:
        """End the statement, which may not have begun; at a call a second later, with its process.

        A process that is still starting is let start.
        """
        with self._lock:
            now = self._clock()
            if self._first_interrupt is None:
                self._first_interrupt = now
            if self._ready and now - self._first_interrupt >= PATIENCE_SECONDS:
                self.end()
            else:
                self._send(self._number)

    def end(self) -> None:
        """End the process; what it runs fails."""
        self._done = True
        self._process.kill()

    def close(self) -> None:
        """End the process, which must be running nothing, and let go of it."""
        self.end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._connection.close()

    def _until_ready(self) -> None:
        if not self._ready:
            if not self._connection.poll(START_SECONDS) or self._connection.recv_bytes() != READY:
                raise EOFError
            with self._lock:
                self._ready, self._first_interrupt = True, None

    def _reply(self, opening: Opening) -> Reply:
        limits = opening.limits
        if not self._connection.poll(limits.seconds + _SPARE_SECONDS):
            raise EOFError
        return decode(self._connection.recv_bytes(most_bytes(limits.bytes)))

    def _send(self, message: object) -> None:
        with suppress(OSError):  # it has ended: the missing reply tells
            self._connection.send(message)

    def _ending(self) -> str:
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return "the statement took too much processor time; write it in another way"
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return f"the statement ended the database's process ({name}); write it in another way"
