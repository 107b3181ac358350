"""The tables of a PostgreSQL database, from its catalogue: a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugins.text2sql.databases.postgresql.postgresql_connections import Connection
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.relational.column_facts import ListedColumn
from plugins.text2sql.databases.relational.listed_table import ListedTable, with_dots
from plugins.text2sql.databases.schema import ForeignKey, Kind, LeftOut

# Partitions are read through their parent; what belongs to an extension is none of the user's data.
_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.obj_description(c.oid, 'pg_class'),
       CASE c.relkind WHEN 'p' THEN (
           SELECT coalesce(sum(greatest(leaf.reltuples, 0)), 0)
           FROM pg_catalog.pg_partition_tree(c.oid) AS part
           JOIN pg_catalog.pg_class AS leaf ON leaf.oid = part.relid WHERE part.isleaf
       ) ELSE c.reltuples END::float8,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END,
       pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname, c.relname
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_catalog.col_description(a.attrelid, a.attnum), t.typcategory::text, t.typname,
       (SELECT pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum AS e WHERE e.enumtypid IN (t.oid, t.typbasetype))
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT k.conrelid, k.contype::text, k.confrelid,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u(attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
             ORDER BY u.n),
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u(attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum
             ORDER BY u.n)
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = ANY(%s) AND k.contype IN ('p', 'f')
"""
_IDENTITY = """
SELECT pg_catalog.concat_ws(' ',
  (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(
       ' ', c.oid, n.nspname, c.relname, c.relkind, c.relacl, n.nspacl), 0)::numeric)
   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384),
  (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(
       ' ', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attisdropped, attacl), 0)::numeric)
   FROM pg_catalog.pg_attribute WHERE attrelid >= 16384 AND attnum > 0),
  (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', oid, conname), 0)::numeric)
   FROM pg_catalog.pg_constraint WHERE conrelid >= 16384),
  (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', oid, enumlabel), 0)::numeric)
   FROM pg_catalog.pg_enum),
  (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(
       ' ', objoid, objsubid, description), 0)::numeric)
   FROM pg_catalog.pg_description WHERE objoid >= 16384))
"""
_POWERFUL = """
SELECT 'superuser' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper
UNION ALL
SELECT rolname FROM pg_catalog.pg_roles
WHERE rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                  'pg_execute_server_program', 'pg_signal_backend')
  AND pg_catalog.pg_has_role(current_user, oid, 'MEMBER')
  AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
"""
_MOST_NAMED = 5
_KINDS = {"N": Kind.NUMBER, "D": Kind.DATE, "S": Kind.TEXT, "E": Kind.TEXT}
_OTHERS = {"time", "timetz", "money", "oid", "char"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlTable(ListedTable):
    """A table as PostgreSQL's catalogue has it.

    ``kind`` is PostgreSQL's letter: ``r`` table, ``p`` partitioned, ``v`` view, ``m`` materialized view,
    ``f`` foreign.  ``bytes`` is the size on disk.
    """

    kind: str
    bytes: int
    writable: bool

    @property
    def sql(self) -> str:
        """The table in SQL, with its schema."""
        return f"{POSTGRESQL.identifier(self.schema)}.{POSTGRESQL.identifier(self.name)}"


def listed_tables(connection: Connection) -> tuple[list[PostgresqlTable], list[LeftOut]]:
    """Return the tables and views of which the role may read columns, with these; and what can't be shown.

    Raises:
        psycopg.Error: the catalogue can't be read.
    """
    rows = connection.execute(_TABLES).fetchall()
    oids = [row[0] for row in rows]
    names = {oid: POSTGRESQL.known_as(schema, name) for oid, schema, name, *_ in rows}
    primary, foreign = _keys(connection, oids, names)
    columns: dict[int, list[ListedColumn]] = defaultdict(list)
    for oid, *column in connection.execute(_COLUMNS, (oids,)):
        columns[oid].append(_column(column, primary.get(oid, ())))
    tables = []
    for oid, schema, name, kind, comment, estimate, size, writable in rows:
        if "." in schema or oid not in columns:
            continue
        table = PostgresqlTable(
            schema=schema,
            name=name,
            known_as=names[oid],
            view=kind == "v",
            comment=comment or "",
            rows=estimate,
            columns=tuple(columns[oid]),
            keys=tuple(foreign[oid]),
            kind=kind,
            bytes=size,
            writable=writable,
        )
        tables.append(table)
    return tables, with_dots(schema for _, schema, *_ in rows)


def schema_identity(connection: Connection) -> str:
    """Return what differs once tables, columns, keys, enums, comments or rights have changed.

    Raises:
        psycopg.Error: the catalogue can't be read.
    """
    row = connection.execute(_IDENTITY).fetchone()
    return str(row[0] if row else "")


def role_warnings(connection: Connection, tables: Sequence[PostgresqlTable]) -> tuple[str, ...]:
    """Return what the role may do that reading doesn't need.

    Raises:
        psycopg.Error: the catalogue can't be read.
    """
    powers = [name for (name,) in connection.execute(_POWERFUL)]
    writable = [table.known_as for table in tables if table.writable]
    warnings = [
        f"the role is {power}" if power == "superuser" else f"the role has {power}" for power in powers
    ]
    if writable:
        more = f" and {len(writable) - _MOST_NAMED} more" if len(writable) > _MOST_NAMED else ""
        warnings.append(f"the role may write to {', '.join(writable[:_MOST_NAMED])}{more}")
    return tuple(f"{warning}; give the server one that may only read" for warning in warnings)


def _keys(
    connection: Connection, oids: Sequence[int], names: Mapping[int, str]
) -> tuple[dict[int, Sequence[str]], dict[int, list[ForeignKey]]]:
    primary: dict[int, Sequence[str]] = {}
    foreign: dict[int, list[ForeignKey]] = defaultdict(list)
    for oid, kind, target, columns, target_columns in connection.execute(_KEYS, (oids,)):
        if kind == "p":
            primary[oid] = columns
        elif target in names:
            foreign[oid].append(ForeignKey(tuple(columns), names[target], tuple(target_columns)))
    return primary, foreign


def _column(row: Sequence[Any], primary: Sequence[str]) -> ListedColumn:
    name, type_, nullable, comment, category, base, labels = row
    kind = Kind.OTHER if base in _OTHERS else _KINDS.get(category, Kind.OTHER)
    return ListedColumn(name, type_, nullable, name in primary, kind, comment or "", tuple(labels or ()))
