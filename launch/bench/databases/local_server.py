"""A database server on this machine, started for tests or a measurement and ended after them.

Servers refuse to run as root: there, they run as a user without rights.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from launch.checks import free_port

HOST = "127.0.0.1"
_NOBODY = 65534
_START_SECONDS = 120.0
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.02

S = TypeVar("S", bound="LocalServer")


class ServerFailedError(Exception):
    """A server can't be made or started; the message has its log."""


class LocalServer(ABC):
    """A server on 127.0.0.1 with its data in ``folder``; may be ended and started again on its port.

    Raises:
        ServerFailedError: its data can't be made.
    """

    OWNER: ClassVar[str]
    """The user who owns everything, and the password."""
    END_SIGNAL: ClassVar[signal.Signals]
    """Ends the server and what is connected to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port(HOST)
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            folder.chmod(0o755)
        (folder / "data").mkdir()
        self.give(folder / "data")
        self.make()

    @staticmethod
    @abstractmethod
    def missing() -> str | None:
        """Return what this machine lacks for such a server, with the remedy; ``None`` if it lacks nothing."""

    @abstractmethod
    def make(self) -> None:
        """Make the system's own tables in the folder.

        Raises:
            ServerFailedError: they can't be made.
        """

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the owner can connect now."""

    @abstractmethod
    def address(self, database: str, user: str = "", password: str = "") -> str:
        """Return the address of a database as a user gives it, by default the owner."""

    @abstractmethod
    def script(self, statements: str, database: str | None = None) -> None:
        """Run ``statements``, one after the other, as the owner; each is committed."""

    def create(self, database: str) -> None:
        """Create an empty database."""
        self.script(f"CREATE DATABASE {database}")

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.script(f"DROP DATABASE {database}")

    @property
    def pid(self) -> int:
        """The process of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ServerFailedError: it ends, or doesn't answer in two minutes.
        """
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, **self._as_user
            )
        until = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() >= until:
                self.stop()
                raise ServerFailedError((self.folder / "log").read_text("utf-8", "replace"))
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End the server and what is connected to it; nothing if it doesn't run."""
        if self._process is not None:
            self._process.send_signal(self.END_SIGNAL)
            self._process.wait(_END_SECONDS)
            self._process = None

    def give(self, path: Path) -> None:
        """Let the user that the server runs as write to ``path``."""
        if self._as_user:
            os.chown(path, _NOBODY, _NOBODY)

    def run(self, command: Sequence[str | Path]) -> None:
        """Run a program as the server's user.

        Raises:
            ServerFailedError: it failed.
        """
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self._as_user)
        if done.returncode:
            raise ServerFailedError(done.stdout + done.stderr)


@contextmanager
def running(server: type[S]) -> Iterator[S]:
    """Start a server in a folder of its own; end it, and remove the folder, on leaving.

    Raises:
        ServerFailedError: it can't be started.
    """
    # Not below pytest's own folder, which others may not enter.
    folder = Path(tempfile.mkdtemp(prefix="sluice-database-"))
    made = None
    try:
        made = server(folder)
        made.start()
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
