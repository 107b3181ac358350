"""Conditions with a turn: not a value, one of two values, nothing of another table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plugins.text2sql.training.expand import expand
from plugins.text2sql.training.literals import said_text
from plugins.text2sql.training.phrase import Phrase

if TYPE_CHECKING:
    from plugins.text2sql.training.phrases import Speaker

_PAIR = "({one} or {two}|either {one} or {two}|{one} or {two}|{one} and {two})"


def negate(speaker: Speaker, phrase: Phrase, column: str) -> None:
    """Say that ``column`` has another value than the one named."""
    said = said_text(speaker.world, column, speaker.rng, speaker.mode)
    phrase.post.append(expand(speaker.world.lexicon["negated"][column], speaker.rng, {"v": said.text}))
    phrase.where.append(column + said.sql.replace("=", "<>", 1))
    phrase.conditions += [column, "not"]
    phrase.values.append(said)


def either(speaker: Speaker, phrase: Phrase, column: str, behind: bool) -> None:
    """Say that ``column`` has one of two values; ``behind``: not before the noun."""
    rng, lexicon = speaker.rng, speaker.world.lexicon
    forms = lexicon["filters"][column]
    values = [said_text(speaker.world, column, rng, speaker.mode) for _ in range(2)]
    if values[0].sql == values[1].sql:
        return
    if "pre" in forms and not behind and rng.random() < 0.45:
        adjectives = lexicon["adjectives"]
        values = [replace(v, keyword=adjectives.get(v.text, v.text)) for v in values]
        phrase.pre.append(rng.choice((" or ", " and ")).join(said.keyword for said in values))
    else:
        pair = expand(_PAIR, rng, {"one": values[0].text, "two": values[1].text})
        phrase.post.append(expand(forms["post"], rng, {"v": pair}))
    texts = ", ".join(said.sql.removeprefix(" = ") for said in values)
    phrase.where.append(f"{column} IN ({texts})")
    phrase.conditions += [column, "or"]
    phrase.values += values


def missing(speaker: Speaker, phrase: Phrase) -> None:
    """Say that no row of another table refers to the subject."""
    lexicon = speaker.world.lexicon["missing"]
    keys = [key for key in lexicon if key.startswith(f"{phrase.subject}<")]
    if not keys:
        return
    key = speaker.rng.choice(keys)
    other = key.partition("<")[2]
    column = f"{phrase.subject.removesuffix('s')}_id"
    phrase.post.append(expand(lexicon[key], speaker.rng))
    phrase.where.append(f"{phrase.subject}.id NOT IN (SELECT {column} FROM {other})")  # noqa: S608
    phrase.conditions.append(f"no {key}")
