"""Statements gone wrong, in the ways in which a model's do: for learning and measuring revision."""

from __future__ import annotations

import random
import re

_TEXT = re.compile(r"= '([^'0-9]{3,})'")
_NAME = re.compile(r"\b(?:[a-z]+\.)?[a-z]+_?[a-z]+\b(?![(.])")
_JOIN = re.compile(r" JOIN \S+ ON \S+ = \S+")
_KEYWORDS = ("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT")
_OTHERS = ("name", "country", "title", "status", "city", "price", "total", "date", "amount", "category")


def broken(sql: str, rng: random.Random) -> str:
    """Return ``sql`` with one mistake: a wrong value, a wrong or misspelt name, a join or word missing."""
    ways = [_misspelt_name, _misspelt_name, _other_name, _cut, _without_keyword]
    if _TEXT.search(sql):
        ways += [_wrong_value] * 4
    if _JOIN.search(sql):
        ways += [_without_join] * 3
    return rng.choice(ways)(sql, rng)


def _wrong_value(sql: str, rng: random.Random) -> str:
    match = rng.choice(list(_TEXT.finditer(sql)))
    value = match[1]
    place = rng.randrange(len(value))
    changed = rng.choice(
        (
            value[:place] + rng.choice("aeiourst") + value[place + 1 :],
            value[:place] + value[place + 1 :],
            value.lower() if value != value.lower() else value.capitalize(),
            f"{value}s",
        )
    )
    return f"{sql[: match.start(1)]}{changed}{sql[match.end(1) :]}"


def _misspelt_name(sql: str, rng: random.Random) -> str:
    match = rng.choice(list(_NAME.finditer(sql)))
    name = match[0]
    place = rng.randrange(1, len(name))
    changed = rng.choice((name[:place] + name[place + 1 :], f"{name}s", name.removesuffix("s") + "_name"))
    return f"{sql[: match.start()]}{changed}{sql[match.end() :]}"


def _other_name(sql: str, rng: random.Random) -> str:
    match = rng.choice(list(_NAME.finditer(sql)))
    table = match[0].partition(".")[0] + "." if "." in match[0] else ""
    return f"{sql[: match.start()]}{table}{rng.choice(_OTHERS)}{sql[match.end() :]}"


def _without_join(sql: str, rng: random.Random) -> str:
    match = rng.choice(list(_JOIN.finditer(sql)))
    return sql[: match.start()] + sql[match.end() :]


def _without_keyword(sql: str, rng: random.Random) -> str:
    word = rng.choice([word for word in _KEYWORDS if word in sql])
    return sql.replace(word, rng.choice(("", word[:-1])), 1).strip()


def _cut(sql: str, rng: random.Random) -> str:
    return sql[: rng.randrange(len(sql) // 2, len(sql) - 1)]
