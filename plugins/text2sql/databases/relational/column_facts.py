"""Columns of a schema from what a database's statistics or a sample of rows tell of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from plugins.text2sql.databases.dialect import Value
from plugins.text2sql.databases.json_values import plain
from plugins.text2sql.databases.schema import MAX_SAMPLE_CHARACTERS, Column, Kind, described

MAX_FREQUENT = 17
"""So many frequent values are enough: with one more than ``MAX_CHOICES`` a column is open."""
MAX_COMMENT_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a column's values.

    ``low``, ``middle`` and ``high`` of numbers and dates; ``frequent`` texts, the most frequent first, which
    are all there are if ``complete``.
    """

    low: Any = None
    middle: Any = None
    high: Any = None
    frequent: Sequence[str] = ()
    complete: bool = False


NO_FACTS = Facts()


class Sampled(NamedTuple):
    """About how many rows a table has, and what the first of them tell of its columns."""

    rows: int
    facts: Mapping[str, Facts]


@dataclass(frozen=True, slots=True)
class ListedColumn:
    """A column as the catalogue has it; ``kind`` is that of its type.  ``labels`` are those of an enum."""

    name: str
    type: str
    nullable: bool
    primary_key: bool
    kind: Kind
    comment: str = ""
    labels: tuple[str, ...] = ()

    def with_facts(self, facts: Facts) -> Column:
        """Return the column of the schema."""
        kind, samples, choices = self._shown(facts)
        return Column(
            self.name,
            self.type,
            self.nullable,
            self.primary_key,
            kind,
            samples,
            choices,
            one_line(self.comment, MAX_COMMENT_CHARACTERS),
        )

    def _shown(self, facts: Facts) -> tuple[Kind, tuple[Value, ...], tuple[str, ...]]:
        if self.labels:
            return described(min(self.labels), max(self.labels), self.labels)
        if self.kind is Kind.TEXT:
            short = [text for text in facts.frequent if len(text) <= MAX_SAMPLE_CHARACTERS]
            if not short:
                return Kind.TEXT, (), ()
            kind, samples, choices = described(
                min((*short, *_texts(facts.low))), max((*short, *_texts(facts.high))), short
            )
            return kind, samples, choices if facts.complete else ()
        if self.kind in (Kind.NUMBER, Kind.DATE):
            ends = (facts.low, facts.middle, facts.high)
            values = [_value(end) for end in ends if end is not None]
            finite = [value for value in values if isinstance(value, str) or math.isfinite(value)]
            return self.kind, tuple(dict.fromkeys(finite)), ()
        return self.kind, (), ()


def one_line(text: str | None, most: int) -> str:
    """Return a comment as one line of at most ``most`` characters."""
    line = " ".join((text or "").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else ()


def _value(value: Any) -> Value:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, int | float) else str(plain(value))
