"""Values as a question names them and as SQL writes them: texts and numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.demo.training.language.expand import expand, phrasings
from plugins.text2sql.demo.training.language.world import World

GLUE = "\N{NO-BREAK SPACE}"
"""Stands for the spaces within a value, so that nothing done to a question's words tears it apart."""

_LITERALS = phrasings("literals")
# Some copying is to be learned; most of it is the grammar's, which has only what is found or said.
_MADE_UP, _FOUND = 0.15, 0.8
_WORDS = _LITERALS["words"]


@dataclass(frozen=True, slots=True)
class Said:
    """A condition's value: its ``text`` in the question, the ``sql`` behind the column, what to look up.

    ``made_up``: the value is in no database; ``invented`` is the condition that retrieval is to find though.
    """

    text: str
    sql: str
    keyword: str = ""
    invented: str = ""
    unseen: bool = False
    made_up: bool = False


def said_text(world: World, column: str, rng: random.Random, mode: str) -> Said:
    """Return a text value of ``column``.  ``mode``: ``train``, ``seen`` or ``unseen`` values, not made up."""
    values, unseen = world.values[column], world.unseen.get(column, ())
    if mode == "unseen" and unseen:
        value = rng.choice(unseen)
    else:
        value = rng.choice(values)
        while value in unseen:
            value = rng.choice(values)
    made_up, invented = False, ""
    if mode == "train" and unseen and rng.random() < _MADE_UP:
        made_up, value = True, _made_up(value, rng)
        invented = f"{column} = {literal(value)}" if rng.random() < _FOUND else ""
    text = _misspelt(value, rng) if mode == "train" and unseen and rng.random() < 0.06 else value
    text = text.replace(" ", GLUE)
    return Said(text, f" = {literal(value)}", text, invented, value in unseen, made_up)


def _made_up(like: str, rng: random.Random) -> str:
    syllables = _LITERALS["syllables"]
    return " ".join("".join(rng.choices(syllables, k=rng.randint(2, 3))).capitalize() for _ in like.split())


def _misspelt(value: str, rng: random.Random) -> str:
    if len(value) < 6:
        return value
    place = rng.randrange(2, len(value) - 1)
    letter = rng.choice("aeinorst")
    return value[:place] + rng.choice((letter, "", letter + value[place])) + value[place + 1 :]


def said_number(column: str, rng: random.Random) -> Said:
    """Return a comparison of a number column."""
    low, high = _LITERALS["ranges"][column]
    money = column in _LITERALS["money"]
    sign = rng.choice(("<", "<=", "=") if low + 4 >= high else ("<",)) if rng.random() < 0.45 else ">"
    sign = rng.choice((">", ">=", sign, sign)) if column == "reviews.rating" or rng.random() < 0.2 else sign
    if high > 10 and rng.random() < 0.1:
        small, large = sorted(rng.sample(range(low, high), 2))
        between = rng.choice((f"between {small} and {large}", f"from {small} to {large}"))
        return Said(between + _unit(money, rng), f" BETWEEN {small} AND {large}")
    number = _number(low, high, rng)
    if sign == "=":
        number = rng.randint(low, high)
    shown = f"{number:,}" if number >= 1000 and rng.random() < 0.15 else str(number)
    behind = expand(_LITERALS["behind"].get(sign, ""), rng)
    if behind and rng.random() < 0.4:
        return Said(f"{shown}{_unit(money, rng)} {behind}", f" {sign} {number}")
    if money and rng.random() < 0.12:
        shown = f"€{shown}"
        money = False
    before = expand(_LITERALS["before"][sign], rng)
    if column in _LITERALS["of_units"]:
        before = before.removeprefix("of").strip()
    return Said(f"{before} {shown}{_unit(money, rng)}".strip(), f" {sign} {number}")


def _number(low: int, high: int, rng: random.Random) -> int:
    if high <= 10:
        return rng.randint(low, high)
    number = int(low * (high / low) ** rng.random())
    if rng.random() < 0.6:
        step = 10 ** (len(str(number)) - 1)
        number = max(step, round(number / step * 2) * step // 2)
    return number


def _unit(money: bool, rng: random.Random) -> str:
    return rng.choice(_LITERALS["units"]) if money else ""


def said_count(rng: random.Random) -> tuple[str, int]:
    """Return a small number in words or figures, for limits."""
    number = rng.choice(_LITERALS["asked"])
    word = _WORDS[number - 1] if number <= 10 and rng.random() < 0.45 else str(number)
    return word, number


def said_limit(rng: random.Random, numbers: Sequence[int] = ()) -> tuple[str, str]:
    """Return a comparison in words and in SQL, with one of ``numbers`` or, if there are none, a count."""
    few, limits = _LITERALS["few"], _LITERALS["limits"]
    limit = rng.choice(numbers or _LITERALS["counts"])
    sign, said = rng.choice(limits if not numbers else limits[:-1])
    if not numbers and sign in few and limit <= 3 and rng.random() < 0.5:
        return few[sign][limit - 1], f"{sign} {limit}"
    shown = f"{limit:,}" if limit >= 1000 and rng.random() < 0.3 else str(limit)
    if limit <= len(_WORDS) and rng.random() < 0.3:
        shown = _WORDS[limit - 1]
    return f"{expand(said, rng)} {shown}", f"{sign} {limit}"
