"""Statements that run and answer another question, in the ways in which a model's do: to learn revision."""

from __future__ import annotations

import random
import re

_WHERE = re.compile(r" WHERE (.*?)(?= GROUP BY | ORDER BY | LIMIT |$)")
_CONDITION = re.compile(r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|BETWEEN \S+ AND|(?! AND ).)+")
_ITEM = re.compile(r"[^,(]+(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^,]*)?")
_COLUMN = re.compile(r"\b[a-z]+(?:_[a-z]+)*\.[a-z_]+\b")
_NUMBER = re.compile(r"(?<= )\d+(?= |$)")
_GROUP = re.compile(r" GROUP BY ([a-z_.]+)")


def misread(sql: str, rng: random.Random) -> str:
    """Return ``sql`` as it would answer another question: a part is missing, there twice or another one.

    Where it has no such part, it stays as it is.
    """
    ways = (_without_condition, _other_shown, _turned_about, _other_number, _other_group, _unranked)
    return rng.choice(ways)(sql, rng)


def _without_condition(sql: str, rng: random.Random) -> str:
    match = _WHERE.search(sql)
    if not match or "(SELECT" in match[1]:
        return sql
    conditions = [condition.strip() for condition in _CONDITION.findall(match[1])]
    conditions = [condition.removeprefix("AND ") for condition in conditions]
    conditions.pop(rng.randrange(len(conditions)))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{sql[: match.start()]}{where}{sql[match.end() :]}"


def _other_shown(sql: str, rng: random.Random) -> str:
    """Show an item less, one twice, or another column instead."""
    start, shown, rest = re.split(r"^(SELECT (?:DISTINCT )?)(.*?)(?= FROM )", sql, maxsplit=1)[1:]
    items = [item.strip() for item in _ITEM.findall(shown)]
    place = rng.randrange(len(items))
    names = [name for name in dict.fromkeys(_COLUMN.findall(rest)) if name not in items]
    other = rng.choice(names) if names and rng.random() < 0.4 else rng.choice(items)
    if len(items) > 1 and rng.random() < 0.5:
        items.pop(place)
    elif items[place] == other or rng.random() < 0.2:
        items.insert(place, other)
    else:
        items[place] = other
    return f"{start}{', '.join(items)}{rest}"


def _turned_about(sql: str, rng: random.Random) -> str:
    turns = (("<>", "="), ("NOT IN", "IN"), (" = '", " <> '"), ("avg(", "sum("))
    found = [turn for turn in turns if turn[0] in sql]
    return sql.replace(*rng.choice(found), 1) if found else sql


def _other_number(sql: str, rng: random.Random) -> str:
    numbers = list(_NUMBER.finditer(sql))
    if not numbers:
        return sql
    match = rng.choice(numbers)
    changed = rng.choice((match[0][:-1], f"{match[0]}{rng.randrange(10)}", str(rng.randint(1, 500)))) or "1"
    return f"{sql[: match.start()]}{changed}{sql[match.end() :]}"


def _other_group(sql: str, rng: random.Random) -> str:
    """Group by what is the same in all rows."""
    match, fixed = _GROUP.search(sql), re.findall(r"([a-z_.]+) = '", sql)
    return sql.replace(match[1], rng.choice(fixed)) if match and fixed and "(SELECT" not in sql else sql


def _unranked(sql: str, rng: random.Random) -> str:
    return re.sub(r" ORDER BY .*", "", sql)
