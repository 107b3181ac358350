"""Conditions with a turn: not a value, one of several, nothing of another table, so many of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.literals import Said, said_text
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.time_spans import said_date

if TYPE_CHECKING:
    from plugins.text2sql.demo.training.language.phrases import Speaker

_MADE_BY = ("orders", "reviews")


def whose(speaker: Speaker, phrase: Phrase, column: str) -> tuple[str, str]:
    """Return at times what leads to the owner of ``column``, and its noun: *from customers* in Rome."""
    owner = column.partition(".")[0]
    lead = speaker.lexicon["whose"].get(phrase.subject, {}).get(owner)
    if lead is None or speaker.rng.random() >= 0.4:
        return "", ""
    noun = speaker.noun("products" if owner == "categories" else owner)
    if owner == "categories" and speaker.rng.random() < 0.4:
        noun = speaker.rng.choice(("stuff", "gear", "goods", "articles"))
    return expand(lead, speaker.rng), noun


def negate(speaker: Speaker, phrase: Phrase, column: str) -> None:
    """Say that ``column`` has another value than the one named."""
    if speaker.rng.random() < 0.3:
        _neither(speaker, phrase, column)
        return
    said = said_text(speaker.world, column, speaker.rng, speaker.mode)
    phrase.post.append(expand(speaker.lexicon["negated"][column], speaker.rng, {"v": said.text}))
    phrase.means(column, replace(said, sql=said.sql.replace("=", "<>", 1)))
    phrase.conditions.append("not")


def _neither(speaker: Speaker, phrase: Phrase, column: str) -> None:
    rng, lexicon = speaker.rng, speaker.lexicon
    values = _several(speaker, column, 2)
    if not values:
        return
    slots = {"one": values[0].text, "two": values[1].text}
    if column == "orders.status" and rng.random() < 0.5:
        words = expand("that (are|were) neither {one} nor {two}", rng, slots)
    else:
        pair = expand(lexicon["pair"], rng, slots)
        words = expand(lexicon["negated"][column], rng, {"v": pair})
    phrase.post.append(words)
    _one_of(phrase, column, values, "NOT IN")


def _several(speaker: Speaker, column: str, count: int) -> list[Said]:
    """Return ``count`` values of ``column``, or none if two drawn are the same."""
    values = [said_text(speaker.world, column, speaker.rng, speaker.mode) for _ in range(count)]
    return values if len({value.sql for value in values}) == count else []


def _one_of(phrase: Phrase, column: str, values: Sequence[Said], operator: str) -> None:
    texts = ", ".join(said.sql.removeprefix(" = ") for said in values)
    phrase.where.append(f"{column} {operator} ({texts})")
    phrase.conditions += [column, {"IN": "or", "NOT IN": "not"}[operator]]
    phrase.values += values


def either(speaker: Speaker, phrase: Phrase, column: str, behind: bool) -> None:
    """Say that ``column`` has one of two values; ``behind``: not before the noun."""
    rng, lexicon = speaker.rng, speaker.lexicon
    forms = lexicon["filters"][column]
    values = _several(speaker, column, 3 if rng.random() < 0.12 and not column.endswith("city") else 2)
    if not values:
        return
    if len(values) == 3:
        slots = dict(zip(("one", "two", "three"), (value.text for value in values), strict=True))
        phrase.post.append(expand(forms["post"], rng, {"v": expand(lexicon["triple"], rng, slots)}))
    elif "pre" in forms and not behind and rng.random() < 0.45:
        adjectives = lexicon["adjectives"]
        values = [replace(v, keyword=adjectives.get(v.text, v.text)) for v in values]
        phrase.pre.append(rng.choice((" or ", " and ")).join(said.keyword for said in values))
    else:
        pair = expand(lexicon["pair"], rng, {"one": values[0].text, "two": values[1].text})
        phrase.post.append(expand(forms["post"], rng, {"v": pair}))
    _one_of(phrase, column, values, "IN")


def counted(speaker: Speaker, phrase: Phrase, words: str, sql: str) -> None:
    """Say of how many rows of another table there are for the subject: ``words`` such as more than 3."""
    tie = speaker.tie("numerous", phrase.subject)
    if tie is None:
        return
    key, other = tie
    key_column = f"{_singular(phrase.subject)}_id"
    slots = {"x": f"{words} {speaker.noun(other)}"}
    phrase.post.append(expand(speaker.lexicon["numerous"][key], speaker.rng, slots))
    having = f"SELECT {key_column} FROM {other} GROUP BY {key_column} HAVING count(*) {sql}"  # noqa: S608
    phrase.where.append(f"{phrase.subject}.id IN ({having})")
    phrase.conditions.append(f"count {key}")


def _singular(table: str) -> str:
    return "category" if table == "categories" else table.removesuffix("s")


def missing(speaker: Speaker, phrase: Phrase) -> None:
    """Say that no row of another table refers to the subject."""
    tie = speaker.tie("missing", phrase.subject)
    if tie is None:
        return
    key, other = tie
    words, within = expand(speaker.lexicon["missing"][key], speaker.rng), ""
    if other in _MADE_BY and phrase.subject != "orders" and speaker.rng.random() < 0.3:
        column = speaker.lexicon["periods"][other]
        said = said_date(column, speaker.rng)
        words = f"{words} {said.text}"
        within = f" WHERE {column.partition('.')[2]}{said.sql}"
    phrase.post.append(words)
    rows = f"SELECT {_singular(phrase.subject)}_id FROM {other}{within}"  # noqa: S608
    phrase.where.append(f"{phrase.subject}.id NOT IN ({rows})")
    phrase.conditions.append(f"no {key}{' within' if within else ''}")
