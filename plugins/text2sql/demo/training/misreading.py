"""Statements that run and answer another question, in the ways in which a model's do: to learn revision."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from plugins.text2sql.demo.training.language.draft import BRACKETS
from plugins.text2sql.demo.training.language.world import World

_WHERE = re.compile(r" WHERE (.*?)(?= GROUP BY | ORDER BY | LIMIT |$)")
_CONDITION = re.compile(rf"(?:{BRACKETS}|BETWEEN \S+ AND|(?! AND ).)+")
_ITEM = re.compile(rf"[^,(]+(?:{BRACKETS}[^,]*)?")
_SHOWN = re.compile(r"^(SELECT (?:DISTINCT )?)(.*?)(?= FROM )")
_TABLE = re.compile(r" (?:FROM|JOIN) ([a-z_]+)")
_TEXT = re.compile(r"([a-z_]+(?:\.[a-z_]+)?) (?:=|<>) '([^']*)'")
_NUMBER = re.compile(r"(?<= )\d+(?= |$)")
_GROUP = re.compile(r" GROUP BY ([a-z_.]+)")
_COMPARED = re.compile(r" (?:[<>]=?|=) (?=\d)")
_TURNS = (("<>", "="), ("NOT IN", "IN"), (" = '", " <> '"), ("avg(", "sum("), (".quantity", ".unit_price"))


def misread(world: World, sql: str, rng: random.Random) -> str:
    """Return ``sql`` as it would answer another question: a part is missing, there twice or another one.

    Where it has no such part, it stays as it is.
    """
    ways = (
        _without_condition,
        _without_condition,
        _again,
        _other_shown,
        _other_shown,
        _swapped,
        _swapped,
        _turned_about,
        _compared,
        _compared,
        _compared,
        _other_text,
        _other_number,
        _other_group,
        _unranked,
        _ranked,
    )
    return rng.choice(ways)(world, sql, rng)


def _without_condition(world: World, sql: str, rng: random.Random) -> str:
    conditions = _conditions(sql)
    if not conditions:
        return sql
    conditions.pop(rng.randrange(len(conditions)))
    return _with(sql, conditions)


def _again(world: World, sql: str, rng: random.Random) -> str:
    """Say a condition twice, instead of another one."""
    conditions = _conditions(sql)
    if len(conditions) > 1:
        one, two = rng.sample(range(len(conditions)), 2)
        conditions[one] = conditions[two]
    return _with(sql, conditions) if conditions else sql


def _conditions(sql: str) -> list[str]:
    match = _WHERE.search(sql)
    if not match or "(SELECT" in match[1]:
        return []
    return [condition.strip().removeprefix("AND ") for condition in _CONDITION.findall(match[1])]


def _with(sql: str, conditions: Sequence[str]) -> str:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return _WHERE.sub(lambda _: where, sql, count=1)


def _other_shown(world: World, sql: str, rng: random.Random) -> str:
    """Show an item less, one twice, or another column instead."""
    start, items, rest = _parts(sql)
    place = rng.randrange(len(items))
    names = [name for name in _columns(world, sql) if name not in items]
    other = rng.choice(names if names and rng.random() < 0.5 else items)
    if len(items) > 1 and rng.random() < 0.4:
        items.pop(place)
    elif items[place] == other or rng.random() < 0.3:
        items.insert(place, other)
    else:
        items[place] = other
    return f"{start}{', '.join(items)}{rest}"


def _swapped(world: World, sql: str, rng: random.Random) -> str:
    """Show two items in the other's place."""
    start, items, rest = _parts(sql)
    if len(items) > 1:
        one, two = rng.sample(range(len(items)), 2)
        items[one], items[two] = items[two], items[one]
    return f"{start}{', '.join(items)}{rest}"


def _parts(sql: str) -> tuple[str, list[str], str]:
    """Return what stands before the items shown, these, and what stands behind them."""
    start, shown, rest = _SHOWN.split(sql, maxsplit=1)[1:]
    return start, [item.strip() for item in _ITEM.findall(shown)], rest


def _columns(world: World, sql: str) -> list[str]:
    """Return the columns of the tables in ``sql`` as they are written there, except keys."""
    tables = _TABLE.findall(sql)
    return [
        f"{table.name}.{column.name}" if len(tables) > 1 else column.name
        for table in world.schema.tables
        if table.name in tables
        for column in table.columns
        if column.name not in table.key_columns
    ]


def _turned_about(world: World, sql: str, rng: random.Random) -> str:
    found = [turn for turn in _TURNS if turn[0] in sql]
    return sql.replace(*rng.choice(found), 1) if found else sql


def _compared(world: World, sql: str, rng: random.Random) -> str:
    """Compare a number otherwise."""
    found = list(_COMPARED.finditer(sql))
    if not found:
        return sql
    match = rng.choice(found)
    other = rng.choice((" > ", " < ", " >= ", " <= ", " = "))
    return f"{sql[: match.start()]}{other}{sql[match.end() :]}"


def _other_text(world: World, sql: str, rng: random.Random) -> str:
    texts = list(_TEXT.finditer(sql))
    if not texts:
        return sql
    match = rng.choice(texts)
    column = match[1] if "." in match[1] else f"{_TABLE.findall(sql)[0]}.{match[1]}"
    other = rng.choice(world.values.get(column, (match[2],)))
    return sql if "'" in other else f"{sql[: match.start(2)]}{other}{sql[match.end(2) :]}"


def _other_number(world: World, sql: str, rng: random.Random) -> str:
    numbers = list(_NUMBER.finditer(sql))
    if not numbers:
        return sql
    match = rng.choice(numbers)
    longer, shorter = f"{match[0]}{rng.randrange(10)}", match[0][:-1]
    changed = rng.choice((shorter, longer, str(rng.randint(1, 500)), rng.choice(numbers)[0])) or "1"
    return f"{sql[: match.start()]}{changed}{sql[match.end() :]}"


def _other_group(world: World, sql: str, rng: random.Random) -> str:
    """Group by what is the same in all rows."""
    match, fixed = _GROUP.search(sql), re.findall(r"([a-z_.]+) = '", sql)
    return sql.replace(match[1], rng.choice(fixed)) if match and fixed and "(SELECT" not in sql else sql


def _unranked(world: World, sql: str, rng: random.Random) -> str:
    return re.sub(r" ORDER BY .*", "", sql)


def _ranked(world: World, sql: str, rng: random.Random) -> str:
    """Take one row, where all are asked for."""
    if " GROUP BY " in sql or " ORDER BY " in sql:
        return sql
    column = rng.choice(_columns(world, sql) or _parts(sql)[1])
    return f"{sql} ORDER BY {column}{rng.choice(('', ' DESC'))} LIMIT 1"
