"""Questions with their SQL, drawn at random: the language that the demo model learns."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plugins.text2sql.demo.training.language import grouped, ordered, ranked, related, row_forms
from plugins.text2sql.demo.training.language.casual import casual
from plugins.text2sql.demo.training.language.draft import Draft
from plugins.text2sql.demo.training.language.literals import GLUE, Said
from plugins.text2sql.demo.training.language.phrases import Speaker
from plugins.text2sql.demo.training.language.world import World

_GROUPED = ("grouping", "ranking", "having")
_LEAST_PARTS = 2
_SECOND = "customers.last_name"
"""It says no more than the first name before it does."""
_LONG, _COLUMNS_THERE = 5, 3
"""Over joins of so many tables the grammar has room for so many columns."""
_TABLE = re.compile(r"\b([a-z_]+)\.[a-z_]+")
_HELD_OUT_SHARE = 0.06
# How often a form is asked, and learned: what is hard to learn comes more often in training.
_FORMS: dict[Callable[[Speaker], Draft | None], tuple[int, int]] = {
    row_forms.counting: (18, 18),
    row_forms.listing: (17, 17),
    row_forms.attributes: (11, 15),
    row_forms.tied: (10, 10),
    grouped.spending: (2, 2),
    grouped.sold: (4, 4),
    related.related: (5, 6),
    related.when: (1, 1),
    grouped.number: (11, 14),
    grouped.grouping: (18, 18),
    ranked.ranking: (16, 16),
    ranked.having: (8, 8),
    ordered.extremes: (9, 9),
    ordered.sorting: (6, 6),
    row_forms.distinct: (5, 5),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its answer.

    ``tables`` are those of ``sql`` in its order.  ``keywords`` are to be looked up, ``stored`` those that are
    not made up; ``evidence`` is what retrieval is to find of the others.  ``combination`` names what was
    put together, whatever the words and values: ``parts`` beside what is asked for, which are ``columns``.
    ``unseen``: a value is held out.  ``shape`` says what the result looks like.
    """

    text: str
    sql: str
    tables: tuple[str, ...]
    keywords: tuple[str, ...]
    stored: tuple[str, ...]
    evidence: tuple[str, ...]
    combination: str
    parts: int
    columns: int
    unseen: bool
    shape: tuple[str, str, str]

    @property
    def difficulty(self) -> int:
        """How many parts there are, and columns to show besides the first."""
        return self.parts + self.columns - 1

    @property
    def held_out(self) -> bool:
        """Whether the combination is kept from training.

        Only of what puts together things that training has apart: it has every simple question.
        """
        if self.parts < _LEAST_PARTS:
            return False
        digest = hashlib.sha256(self.combination.encode()).digest()
        return digest[0] < 256 * _HELD_OUT_SHARE


def draw(world: World, rng: random.Random, mode: str = "train") -> Question:
    """Return a question.  ``mode`` says where values come from, as in :func:`said_text`."""
    speaker = Speaker(world, rng, mode)
    weights = [learned if mode == "train" else asked for asked, learned in _FORMS.values()]
    while True:
        maker = rng.choices(list(_FORMS), weights)[0]
        draft = maker(speaker)
        if draft is not None and (question := _finished(world, draft, maker.__name__, rng)):
            return question


def _finished(world: World, draft: Draft, form: str, rng: random.Random) -> Question | None:
    if len(set(draft.where)) < len(draft.where):
        return None
    tables = set(_TABLE.findall(" ".join((draft.select, *draft.where, draft.tail))))
    try:
        source = world.source(draft.root, tables)
    except KeyError:  # nothing joins these tables
        return None
    if len(source.tables) >= _LONG and len(draft.columns) > _COLUMNS_THERE:
        return None
    # In one order, whatever that of the question: it would only be one thing more to learn.
    where = f" WHERE {' AND '.join(sorted(draft.where))}" if draft.where else ""
    sql = f"SELECT {draft.select} FROM {source.text}{where}{draft.tail}"  # noqa: S608
    if len(source.tables) == 1:
        sql = sql.replace(f"{draft.root}.", "")
    text = casual(draft.text, rng)
    keywords = _keywords(draft.values, text) or _nouns(text)
    return Question(
        text=text.replace(GLUE, " "),
        sql=sql,
        tables=source.tables,
        keywords=tuple(keywords),
        stored=tuple(_keywords([value for value in draft.values if not value.made_up], text)),
        evidence=tuple(value.invented for value in draft.values if value.invented),
        combination=f"{form} {draft.what} {' '.join(sorted(draft.conditions))}",
        parts=_parts(draft, form),
        columns=len(draft.columns),
        unseen=any(value.unseen for value in draft.values),
        shape=draft.shape,
    )


def _parts(draft: Draft, form: str) -> int:
    """Return how many things are said beside what is asked for: conditions, a group, a link to others."""
    said = [condition for condition in draft.conditions if "." in condition and condition != _SECOND]
    linked = any(condition.partition(".")[0] not in draft.what for condition in said)
    return len(said) + (form in _GROUPED or linked)


def _keywords(values: Sequence[Said], text: str) -> list[str]:
    """Return the values as ``text`` spells them, in its order; names side by side are one keyword."""
    found = {}
    for value in values:
        place = text.lower().find(value.keyword.lower()) if value.keyword else -1
        if place >= 0:
            found[place] = text[place : place + len(value.keyword)].replace(GLUE, " ")
    return list(dict.fromkeys(found[place] for place in sorted(found)))[:4]


def _nouns(text: str) -> list[str]:
    """Return the longest word, for a question that names no value."""
    words = re.findall(r"\w+", text)
    return [max(words, key=len)]
