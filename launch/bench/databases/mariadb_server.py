"""A MariaDB server from the machine's own program; no service need run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pymysql
import pymysql.cursors

from launch.bench.databases.local_server import HOST, LocalServer

_PROGRAM, _INSTALLER = "mariadbd", "mariadb-install-db"
_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


class MariadbServer(LocalServer):
    """Renews its estimates of rows only when a table is analysed."""

    OWNER = "owner"
    END_SIGNAL = signal.SIGTERM

    @staticmethod
    def missing() -> str | None:
        """Return the name of the program, if it isn't installed."""
        if _found(_PROGRAM) and _found(_INSTALLER):
            return None
        return "mariadbd is not installed; Debian's package mariadb-server has it"

    def make(self) -> None:
        """Make the system's tables, and a file that gives the owner all rights at each start."""
        self.files.mkdir()
        for each in (self.folder, self.files):
            self.give(each)
        (self.folder / "owner.sql").write_text(
            f"CREATE OR REPLACE USER {self.OWNER}@'%' IDENTIFIED BY '{self.OWNER}';\n"
            f"GRANT ALL ON *.* TO {self.OWNER}@'%' WITH GRANT OPTION;\n"
        )
        installer = _found(_INSTALLER)
        assert installer is not None, self.missing()
        words = ["--no-defaults", f"--datadir={self.folder}/data", f"--tmpdir={self.folder}"]
        self.run([installer, *words, "--skip-test-db", "--skip-name-resolve"])

    def command(self) -> Sequence[str | Path]:
        """Return the command that runs the server in the foreground."""
        program = _found(_PROGRAM)
        assert program is not None, self.missing()
        return [
            program,
            "--no-defaults",
            f"--port={self.port}",
            f"--bind-address={HOST}",
            f"--socket={self.folder}/s",
            f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}",
            f"--pid-file={self.folder}/pid",
            f"--secure-file-priv={self.files}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-stats-auto-recalc=OFF",
            "--character-set-server=utf8mb4",
            "--event-scheduler=OFF",
            f"--init-file={self.folder}/owner.sql",
        ]

    def answers(self) -> bool:
        """Whether the owner can connect now."""
        with suppress(pymysql.OperationalError):
            self.connect().close()
            return True
        return False

    def address(self, database: str, user: str = "", password: str = "", kind: str = "mariadb") -> str:
        """Return the address of a database as a user gives it, by default the owner."""
        who = f"{user or self.OWNER}:{password or self.OWNER}"
        return f"{kind}://{who}@{HOST}:{self.port}/{database}"

    def connect(self, database: str | None = None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """Connect as the owner of everything; each statement is committed."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=self.OWNER,
            password=self.OWNER,
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
        """Run ``statements``, one after the other, as the owner; each is committed."""
        with self.asked(database) as cursor:
            cursor.execute(statements)
            while cursor.nextset():
                pass

    @property
    def files(self) -> Path:
        """The one folder that the server may write files to."""
        return self.folder / "files"


def _found(name: str) -> str | None:
    return shutil.which(name, path=_PLACES)
