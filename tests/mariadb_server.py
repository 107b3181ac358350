"""A MariaDB server for tests: the machine's own program, with a folder, a port and a user of its own.

It refuses to run as root: there, it runs as a user without rights.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
import pytest

from tests.waiting import eventually

OWNER = "owner"
MISSING = "mariadbd is not installed; Debian's package mariadb-server has it"
_NOBODY = 65534
_START_SECONDS = 120.0
_END_SECONDS = 60.0
_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


class MariadbServer:
    """A server on 127.0.0.1 with its data in ``folder``; may be ended and started again on its port."""

    def __init__(self, folder: Path, program: str, installer: str) -> None:
        self._folder = folder
        self._program = program
        self._installer = installer
        self._as_user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        (folder / "data").mkdir()
        (folder / "files").mkdir()
        if os.geteuid() == 0:
            self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            for each in (folder, folder / "data", folder / "files"):
                os.chown(each, _NOBODY, _NOBODY)
        self._make()

    def address(self, database: str, user: str = OWNER, password: str = OWNER, kind: str = "mariadb") -> str:
        """Return the address of a database as a user gives it."""
        return f"{kind}://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """Connect as the owner of everything; each statement is committed."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=OWNER,
            password=OWNER,
            database=database,
            autocommit=True,
            client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
        )

    @contextmanager
    def asked(self, database: str | None = None) -> Iterator[pymysql.cursors.Cursor]:
        """Open a cursor of the owner's."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            yield cursor

    def script(self, statements: str, database: str | None = None) -> None:
        """Run ``statements``, one after the other."""
        with self.asked(database) as cursor:
            cursor.execute(statements)
            while cursor.nextset():
                pass

    @property
    def files(self) -> Path:
        """The one folder that the server may write files to."""
        return self._folder / "files"

    @property
    def pid(self) -> int:
        """The process of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        place = [f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self._folder}/s"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), *place], stdout=log, stderr=log, cwd=self._folder, **self._as_user
            )
        eventually(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """End the server and what is connected to it; nothing if it doesn't run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_END_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(pymysql.OperationalError):
            self.connect().close()
            return True
        return False

    def _command(self) -> list[str]:
        return [
            self._program,
            "--no-defaults",
            f"--datadir={self._folder}/data",
            f"--tmpdir={self._folder}",
            f"--pid-file={self._folder}/pid",
            f"--secure-file-priv={self._folder}/files",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-stats-auto-recalc=OFF",
            "--character-set-server=utf8mb4",
            "--event-scheduler=OFF",
            f"--init-file={self._folder}/owner.sql",
        ]

    def _make(self) -> None:
        """Make the system's tables, and a file that gives the owner all rights at each start."""
        (self._folder / "owner.sql").write_text(
            f"CREATE OR REPLACE USER {OWNER}@'%' IDENTIFIED BY '{OWNER}';\n"
            f"GRANT ALL ON *.* TO {OWNER}@'%' WITH GRANT OPTION;\n"
        )
        words = ["--no-defaults", f"--datadir={self._folder}/data", f"--tmpdir={self._folder}"]
        command = [self._installer, *words, "--skip-test-db", "--skip-name-resolve"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **self._as_user)
        assert done.returncode == 0, done.stdout + done.stderr


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PLACES)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """A running server, shared by a session; whoever stops it starts it again."""
    program, installer = _program("mariadbd"), _program("mariadb-install-db")
    if program is None or installer is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="sluice-mariadb-"))
    server = None
    try:
        server = MariadbServer(folder, program, installer)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
