"""The tables of a MySQL or MariaDB database, from its information schema: a constant number of queries."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql

from plugins.text2sql.databases.mysql.mysql_connections import Connection, rows
from plugins.text2sql.databases.mysql.mysql_dialect import SYSTEM_SCHEMAS, MysqlDialect
from plugins.text2sql.databases.relational.column_facts import ListedColumn
from plugins.text2sql.databases.relational.listed_table import ListedTable, with_dots
from plugins.text2sql.databases.schema import ForeignKey, Kind, LeftOut

_TABLES = """
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, COALESCE(TABLE_ROWS, 0)
FROM information_schema.TABLES
WHERE {where} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW') ORDER BY TABLE_SCHEMA, TABLE_NAME
"""
_COLUMNS = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_KEY = 'PRI',
       COLUMN_COMMENT
FROM information_schema.COLUMNS
WHERE {where} AND FIND_IN_SET('select', PRIVILEGES) ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""
_FOREIGN_KEYS = """
SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME,
       REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE
WHERE {where} AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION
"""
_INDEXED = """
SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS
WHERE {where} AND SEQ_IN_INDEX = 1 AND INDEX_TYPE = 'BTREE' AND SUB_PART IS NULL
"""
_IDENTITY = """
SELECT CONCAT_WS(' ',
  (SELECT SUM(CRC32(CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COMMENT)))
   FROM information_schema.TABLES WHERE {where}),
  (SELECT SUM(CRC32(CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_TYPE,
                              IS_NULLABLE, COLUMN_KEY, COLUMN_COMMENT, PRIVILEGES)))
   FROM information_schema.COLUMNS WHERE {where}),
  (SELECT SUM(CRC32(CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME,
                              REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME)))
   FROM information_schema.KEY_COLUMN_USAGE WHERE {where}))
"""
# A table's rows are an estimate, which InnoDB renews when a tenth of them has changed.
_CHANGES = """
SELECT MD5(CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, DATE(UPDATE_TIME),
                                                        FLOOR(LN(COALESCE(TABLE_ROWS, 0) + 1)))))))
FROM information_schema.TABLES WHERE {where} AND TABLE_TYPE <> 'VIEW'
"""
_ALL = f"TABLE_SCHEMA NOT IN ({', '.join(map(repr, SYSTEM_SCHEMAS))})"
_ONE = "TABLE_SCHEMA = %s"
_WIDTH = re.compile(r"\b((?:small|medium|big)?int|tinyint(?!\(1\)))\(\d+\)")
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_MAX_TYPE_CHARACTERS = 100
_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), Kind.NUMBER),
    **dict.fromkeys(("decimal", "float", "double"), Kind.NUMBER),
    **dict.fromkeys(("date", "datetime", "timestamp"), Kind.DATE),
    **dict.fromkeys(("char", "varchar", "enum", "set"), Kind.TEXT),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), Kind.TEXT),
}

Place = tuple[str, str]
"""A table by its database and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlTable(ListedTable):
    """A table as the information schema has it.

    ``indexed`` columns begin an index.  ``ends`` are the lowest and highest values that ANALYZE noted of
    columns, as text.
    """

    indexed: frozenset[str]
    ends: Mapping[str, tuple[str, str]]


class Catalog:
    """What the information schema tells of one database, or without ``default_schema`` of all of them."""

    def __init__(self, dialect: MysqlDialect) -> None:
        self._dialect = dialect
        self._database = dialect.default_schema

    def tables(self, connection: Connection) -> tuple[list[MysqlTable], list[LeftOut]]:
        """Return the tables and views with columns that the user may read, and those that can't be shown.

        Raises:
            pymysql.MySQLError: they can't be read.
        """
        columns: dict[Place, list[ListedColumn]] = defaultdict(list)
        for schema, table, *column in self._ask(connection, _COLUMNS):
            columns[schema, table].append(_column(column))
        indexed: dict[Place, set[str]] = defaultdict(set)
        for schema, table, name in self._ask(connection, _INDEXED):
            indexed[schema, table].add(name)
        foreign = self._foreign_keys(connection, columns)
        ends = _column_ends(connection)
        found = []
        listed_rows = self._ask(connection, _TABLES)
        left_out = with_dots(schema for schema, *_ in listed_rows if schema != self._database)
        for schema, name, kind, comment, count in listed_rows:
            if "." in schema and schema != self._database:
                continue
            if kind == "VIEW" and comment != kind:  # why it can't be read
                left_out.append(LeftOut(self._dialect.known_as(schema, name), comment))
            elif (schema, name) in columns:
                place, view = (schema, name), kind == "VIEW"
                listed = MysqlTable(
                    schema=schema,
                    name=name,
                    known_as=self._dialect.known_as(schema, name),
                    view=view,
                    comment="" if view else comment,
                    rows=count,
                    columns=tuple(columns[place]),
                    keys=tuple(foreign[place]),
                    indexed=frozenset(indexed[place]),
                    ends=ends.get(place, {}),
                )
                found.append(listed)
        return found, left_out

    def schema_identity(self, connection: Connection) -> str:
        """Return what differs once tables, columns, keys, enums, comments or rights have changed.

        Raises:
            pymysql.MySQLError: the catalogue can't be read.
        """
        return str(self._ask(connection, _IDENTITY)[0][0])

    def identity(self, connection: Connection) -> str:
        """Return what differs with the days on which tables were written, and roughly with their rows.

        Raises:
            pymysql.MySQLError: the catalogue can't be read.
        """
        return str(self._ask(connection, _CHANGES)[0][0])

    def _foreign_keys(
        self, connection: Connection, known: Mapping[Place, object]
    ) -> dict[Place, list[ForeignKey]]:
        pairs: dict[tuple[str, str, str, str, str], list[tuple[str, str]]] = defaultdict(list)
        for schema, table, constraint, column, to_schema, to_table, to_column in self._ask(
            connection, _FOREIGN_KEYS
        ):
            pairs[schema, table, constraint, to_schema, to_table].append((column, to_column))
        found: dict[Place, list[ForeignKey]] = defaultdict(list)
        for (schema, table, _, to_schema, to_table), columns in pairs.items():
            if (to_schema, to_table) in known:
                own, others = zip(*columns, strict=True)
                target = self._dialect.known_as(to_schema, to_table)
                found[schema, table].append(ForeignKey(own, target, others))
        return found

    def _ask(self, connection: Connection, query: str) -> tuple[tuple[Any, ...], ...]:
        if not self._database:
            return rows(connection, query.format(where=_ALL))
        places = query.count("{where}")
        return rows(connection, query.format(where=_ONE), (self._database,) * places)


def _column_ends(connection: Connection) -> Mapping[Place, Mapping[str, tuple[str, str]]]:
    """Return the lowest and highest values, as text, that MariaDB's ANALYZE noted of columns, if readable."""
    ends: dict[Place, dict[str, tuple[str, str]]] = defaultdict(dict)
    try:
        found = rows(
            connection,
            "SELECT db_name, table_name, column_name, CONVERT(min_value USING utf8mb4), "
            "CONVERT(max_value USING utf8mb4) FROM mysql.column_stats "
            "WHERE min_value IS NOT NULL AND max_value IS NOT NULL",
        )
    except (pymysql.OperationalError, pymysql.ProgrammingError):  # no right to it, or MySQL, which has none
        return ends
    for schema, table, column, low, high in found:
        ends[schema, table][column] = (low, high)
    return ends


def _column(row: Sequence[Any]) -> ListedColumn:
    name, base, type_, nullable, primary, comment = row
    labels: tuple[str, ...] = ()
    if base == "enum":
        labels = tuple(text.replace("''", "'") for text in _LABEL.findall(type_))
    shown = "enum" if labels else _WIDTH.sub(r"\1", type_)
    if len(shown) > _MAX_TYPE_CHARACTERS:
        shown = shown[: _MAX_TYPE_CHARACTERS - 1] + "…"
    kind = _KINDS.get(base, Kind.OTHER)
    return ListedColumn(name, shown, bool(nullable), bool(primary), kind, comment or "", labels)
