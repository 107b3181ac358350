"""What the first rows of a table, and the ends of its indexes, tell of its columns: one query a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from plugins.text2sql.databases.mysql.mysql_catalog import MysqlTable
from plugins.text2sql.databases.mysql.mysql_connections import Connection, rows
from plugins.text2sql.databases.mysql.mysql_dialect import MYSQL
from plugins.text2sql.databases.relational.column_facts import (
    MAX_FREQUENT,
    NO_FACTS,
    Facts,
    ListedColumn,
    Sampled,
)
from plugins.text2sql.databases.schema import MAX_SAMPLE_CHARACTERS, SAMPLE_ROWS, Kind

_VIEW_ROWS = 1_000
_NO_DATE = "0000-00-00"
"""What MySQL stores for a date that isn't known."""
_COUNT, _FIRST, _ENDS = "count", "first", "ends"


def letter_by_letter(word: str) -> str:
    """Return ``word`` in SQL so that small letters differ from capital ones, whatever its character set."""
    return f"CAST({word} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin"


def sql_name(table: MysqlTable) -> str:
    """Return ``table`` in SQL, with its database."""
    return f"{MYSQL.identifier(table.schema)}.{MYSQL.identifier(table.name)}"


def first_rows(table: str, view: bool, columns: str, most: int) -> str:
    """Return a SELECT of the first rows of ``table``; of no index, which would have the lowest ones."""
    hint = "" if view else "USE INDEX ()"
    return f"SELECT {columns} FROM {table} {hint} LIMIT {most}"


def sampled(connection: Connection, table: MysqlTable) -> Sampled:
    """Return what the first rows of ``table`` tell.

    Raises:
        pymysql.MySQLError: it can't be read.
    """
    columns = [column for column in table.columns if column.kind is not Kind.OTHER and not column.labels]
    limit = _VIEW_ROWS if table.view else SAMPLE_ROWS
    texts: dict[int, list[str]] = defaultdict(list)
    values: dict[tuple[int, str], list[str]] = defaultdict(list)
    count = 0
    for what, index, value, number in rows(connection, " UNION ALL ".join(_parts(table, columns, limit))):
        if what == _COUNT:
            count = number
        elif what == _FIRST and columns[index].kind is Kind.TEXT:
            texts[index].append(value)
        else:
            values[index, what].append(value)
    facts = {}
    for index, column in enumerate(columns):
        if column.kind is Kind.TEXT:
            found = texts[index]
            facts[column.name] = Facts(frequent=found, complete=len(found) < MAX_FREQUENT)
        else:
            noted = table.ends.get(column.name, ())
            whole = () if count < limit else (*values[index, _ENDS], *noted)
            facts[column.name] = _ordered(column.kind, values[index, _FIRST], whole)
    return Sampled(max(count, round(table.rows)) if count == limit else count, facts)


def _parts(table: MysqlTable, columns: Sequence[ListedColumn], limit: int) -> Iterator[str]:
    """Yield a SELECT each of what it is about, the column's index, a value as text, and a number."""
    place = sql_name(table)
    yield f"SELECT '{_COUNT}', 0, NULL, COUNT(*) FROM ({first_rows(place, table.view, '1', limit)}) AS s"
    for index, column in enumerate(columns):
        word = MYSQL.identifier(column.name)
        if column.kind is Kind.TEXT:
            shown = letter_by_letter(f"LEFT({word}, {MAX_SAMPLE_CHARACTERS + 1})")
            first = first_rows(place, table.view, f"{shown} AS v", limit)
            yield (
                f"SELECT '{_FIRST}', {index}, v, n FROM (SELECT v, COUNT(*) AS n FROM ({first}) AS s "
                f"WHERE CHAR_LENGTH(v) <= {MAX_SAMPLE_CHARACTERS} GROUP BY v ORDER BY n DESC, v "
                f"LIMIT {MAX_FREQUENT}) AS q"
            )
            continue
        first = first_rows(place, table.view, f"{word} AS v", limit)
        yield (
            f"SELECT '{_FIRST}', {index}, {letter_by_letter('v')}, r FROM (SELECT v, COUNT(*) OVER () AS c, "
            f"ROW_NUMBER() OVER (ORDER BY v) AS r FROM ({first}) AS s WHERE v IS NOT NULL) AS q "
            f"WHERE r IN (1, FLOOR((c + 1) / 2), c)"
        )
        if column.name in table.indexed:
            for end in ("MIN", "MAX"):
                value = letter_by_letter(f"{end}({word})")
                yield f"SELECT '{_ENDS}', {index}, {value}, 0 FROM {place}"


def _ordered(kind: Kind, first: Sequence[str | None], ends: Sequence[str | None]) -> Facts:
    """Return the lowest, a middle and the highest value of the ``first`` rows' and of all rows' ``ends``."""
    found = sorted(value for text in first if (value := _value(text, kind)) is not None)
    more = [value for text in ends if (value := _value(text, kind)) is not None]
    if not found:
        return NO_FACTS
    return Facts(min((found[0], *more)), found[len(found) // 2], max((found[-1], *more)))


def _value(text: str | None, kind: Kind) -> Decimal | str | None:
    if text is None or text.startswith(_NO_DATE):
        return None
    if kind is Kind.DATE:
        return text
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
