"""What words mean in SQL, and a noun phrase: a table's noun with conditions before and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from plugins.text2sql.demo.training.language.literals import Said


@dataclass(slots=True, kw_only=True)
class Meaning:
    """What is said of rows: the SQL in ``where``; ``conditions`` name it, ``values`` are what it says."""

    where: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    values: list[Said] = field(default_factory=list)

    def means(self, column: str, said: Said) -> None:
        """Add that ``column`` is as ``said``."""
        self.where.append(column + said.sql)
        self.conditions.append(column)
        self.values.append(said)

    def take(self, other: Meaning) -> Self:
        """Add what ``other`` means, not its words."""
        self.where += other.where
        self.conditions += other.conditions
        self.values += other.values
        return self


@dataclass(slots=True)
class Phrase(Meaning):
    """What is said of ``subject``; statements about it start at ``root``.

    ``pre`` and ``post`` stand around the noun, ``heads`` (many, one) instead of it, ``whole``, a name,
    instead of all.
    """

    subject: str
    root: str
    pre: list[str] = field(default_factory=list)
    post: list[str] = field(default_factory=list)
    whole: str = ""
    heads: tuple[str, str] = ("", "")

    @property
    def is_name(self) -> bool:
        """Whether it names one person or thing, rather than a kind."""
        return bool(self.whole)

    @property
    def distinct(self) -> str:
        """What keeps a statement about it from giving a row twice."""
        return "DISTINCT " if self.root != self.subject else ""

    @property
    def count(self) -> str:
        """The SQL that counts it."""
        return f"count(DISTINCT {self.subject}.id)" if self.distinct else "count(*)"

    def text(self, noun: str, one: bool = False) -> str:
        """Return the phrase with ``noun`` as its head; ``one``: in the singular."""
        return self.whole or " ".join([*self.pre, self.heads[one] or noun, *self.post])
