"""Values as a question names them and as SQL writes them: texts and numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.world import World

GLUE = "\N{NO-BREAK SPACE}"
"""Stands for the spaces within a value, so that nothing done to a question's words tears it apart."""

_SYLLABLES = (
    "ba",
    "be",
    "bo",
    "da",
    "do",
    "du",
    "fa",
    "fi",
    "ga",
    "go",
    "ka",
    "ki",
    "ko",
    "la",
    "le",
    "lo",
    "lu",
    "ma",
    "mi",
    "mo",
    "na",
    "ne",
    "no",
    "pa",
    "pe",
    "po",
    "ra",
    "ri",
    "ro",
    "sa",
    "se",
    "so",
    "ta",
    "ti",
    "to",
    "va",
    "ve",
    "vo",
    "za",
    "zo",
    "el",
    "an",
    "or",
    "in",
    "ur",
    "es",
)
# Some copying is to be learned; most of it is the grammar's, which has only what is found or said.
_MADE_UP, _FOUND = 0.15, 0.8
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_RANGES = {
    "products.price": (5, 2000),
    "products.cost": (5, 1500),
    "products.stock": (5, 400),
    "orders.total": (10, 4000),
    "orders.shipping_fee": (1, 9),
    "reviews.rating": (1, 5),
}
_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50, 100, 150, 200)
_LIMITS = (
    (">", "(more than|over|above)"),
    (">", "(more than|over)"),
    (">=", "(at least|no less than)"),
    ("<", "(less than|fewer than|under)"),
    ("=", "(exactly|exactly|just)"),
)
_FEW = {
    ">": ("more than one", "more than two", "more than three"),
    ">=": ("one or more", "at least two", "three or more"),
}
_OF_UNITS = ("products.stock", "reviews.rating")
_MONEY = ("products.price", "products.cost", "orders.total", "orders.shipping_fee")
_COMPARISONS = {
    ">": "(over|above|more than|more than|greater than|higher than|exceeding|larger than|of more than"
    "|of over|>|upwards of|north of|beyond|that exceeds)",
    ">=": "(at least|of at least|no less than|not less than|a minimum of|>=|minimum)",
    "<": "(under|below|less than|less than|lower than|smaller than|of less than|fewer than|of under|<)",
    "<=": "(at most|of at most|up to|no more than|not more than|a maximum of|<=|max)",
    "=": "(of|exactly|of exactly|equal to|)",
}


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
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3))).capitalize() for _ in like.split()]
    return " ".join(words)


def _misspelt(value: str, rng: random.Random) -> str:
    if len(value) < 6:
        return value
    place = rng.randrange(2, len(value) - 1)
    letter = rng.choice("aeinorst")
    return value[:place] + rng.choice((letter, "", letter + value[place])) + value[place + 1 :]


def said_number(column: str, rng: random.Random) -> Said:
    """Return a comparison of a number column."""
    low, high = _RANGES[column]
    money = column in _MONEY
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
    trailing = expand(
        {">=": "or (more|more|higher|above|better)", "<=": "or (less|less|lower|below)"}.get(sign, ""), rng
    )
    if trailing and rng.random() < 0.4:
        return Said(f"{shown}{_unit(money, rng)} {trailing}", f" {sign} {number}")
    if money and rng.random() < 0.12:
        shown = f"€{shown}"
        money = False
    compared = expand(_COMPARISONS[sign], rng)
    if column in _OF_UNITS:  # with of 5 units
        compared = compared.removeprefix("of").strip()
    return Said(f"{compared} {shown}{_unit(money, rng)}".strip(), f" {sign} {number}")


def _number(low: int, high: int, rng: random.Random) -> int:
    if high <= 10:
        return rng.randint(low, high)
    number = int(low * (high / low) ** rng.random())
    if rng.random() < 0.6:
        step = 10 ** (len(str(number)) - 1)
        number = max(step, round(number / step * 2) * step // 2)
    return number


def _unit(money: bool, rng: random.Random) -> str:
    return rng.choice(("", "", "", " euros", " euros", " euro", " €", " eur")) if money else ""


def said_count(rng: random.Random) -> tuple[str, int]:
    """Return a small number in words or figures, for limits."""
    number = rng.choice((2, 3, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 10, 12, 15, 20))
    word = _WORDS[number - 1] if number <= 10 and rng.random() < 0.45 else str(number)
    return word, number


def said_limit(rng: random.Random, numbers: Sequence[int] = ()) -> tuple[str, str]:
    """Return a comparison in words and in SQL, with one of ``numbers`` or, if there are none, a count."""
    limit = rng.choice(numbers or _COUNTS)
    sign, said = rng.choice(_LIMITS if not numbers else _LIMITS[:-1])
    if not numbers and sign in _FEW and limit <= 3 and rng.random() < 0.5:
        return _FEW[sign][limit - 1], f"{sign} {limit}"
    shown = f"{limit:,}" if limit >= 1000 and rng.random() < 0.3 else str(limit)
    if limit <= len(_WORDS) and rng.random() < 0.3:
        shown = _WORDS[limit - 1]
    return f"{expand(said, rng)} {shown}", f"{sign} {limit}"
