"""A database of a MySQL or MariaDB server as one of the workflow."""

from __future__ import annotations

from dataclasses import replace

from plugins.text2sql.databases.address import scheme
from plugins.text2sql.databases.database import Interruptible, Limits, Rows, StatementError
from plugins.text2sql.databases.mysql.mysql_catalog import Catalog, MysqlTable
from plugins.text2sql.databases.mysql.mysql_check import check
from plugins.text2sql.databases.mysql.mysql_connections import Connection, MysqlConnections, answer, rows
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB, MYSQL
from plugins.text2sql.databases.mysql.mysql_errors import INVALID_VIEW, TIMEOUTS, code_of, explained, line_of
from plugins.text2sql.databases.mysql.mysql_grants import excessive
from plugins.text2sql.databases.mysql.mysql_sampling import sampled
from plugins.text2sql.databases.mysql.mysql_url import mysql_url
from plugins.text2sql.databases.mysql.mysql_values import MysqlColumnReader
from plugins.text2sql.databases.relational.column_facts import Sampled
from plugins.text2sql.databases.relational.server_database import LOOK_SECONDS, Look, ServerDatabase


class MysqlDatabase(ServerDatabase[Connection, MysqlTable]):
    """``mysql://user:${VARIABLE}@host:port/database``, or ``mariadb://…``; TLS options may follow a ``?``.

    Without a database in the address, the tables of all that the user may read are known as
    ``database.table``.
    """

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        url = mysql_url(address)
        super().__init__(url, limits, MysqlConnections(url, connections, limits, LOOK_SECONDS))
        vendor = MARIADB if (scheme(address) or "").startswith("mariadb") else MYSQL
        self.dialect = dialect = replace(vendor, default_schema=url.database or "")
        self._catalog = Catalog(dialect)

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address as it is, once its variables are known to be set and its options to be right."""
        mysql_url(address)
        return address

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT in a transaction that can only read; rows are read one by one."""
        self._check(statement)
        try:
            return super().run(statement, interruptible)
        except UnicodeError as error:
            raise StatementError("invalid", str(error)) from error

    def _look(self, connection: Connection) -> Look[MysqlTable]:
        """Return the tables of the information schema; a mere reader may see no statistics of them."""
        tables, left_out = self._catalog.tables(connection)
        warnings = excessive(grant for (grant,) in rows(connection, "SHOW GRANTS"))
        return Look([(table, None) for table in tables], left_out, warnings)

    def _sample(self, connection: Connection, table: MysqlTable) -> Sampled:
        found = sampled(connection, table)
        return Sampled(found.rows or round(table.rows), found.facts)

    def _reader(self, connection: Connection, table: str, column: str) -> MysqlColumnReader:
        return MysqlColumnReader(connection, self.dialect, table, column, self._tables.get(table))

    def _schema_identity(self, connection: Connection) -> str:
        return self._catalog.schema_identity(connection)

    def _identity(self, connection: Connection) -> str:
        return self._catalog.identity(connection)

    def _answer(self, connection: Connection, statement: str) -> Rows:
        return answer(connection, statement, self._limits)

    def _check(self, statement: str) -> None:
        """Refuse what of MySQL's SQL may do more than read."""
        check(statement, self.dialect)

    def _line(self, error: Exception) -> str:
        return line_of(error, self._url)

    def _explained(self, error: Exception) -> StatementError:
        return explained(error, self._url, self.dialect)

    def _timed_out(self, error: BaseException | None) -> bool:
        return error is not None and code_of(error) in TIMEOUTS

    def _is_broken(self, error: Exception) -> bool:
        """Whether it is a view on what is gone."""
        return code_of(error) == INVALID_VIEW
