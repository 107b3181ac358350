"""The values of a column on a server: read within limits, or looked up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from plugins.text2sql.databases.database import ColumnValues, ValueSpan


class ColumnReader(ABC):
    """Reads a column of text.  In SQL, ``table`` is its table and ``word`` the column as an index has it.

    ``text`` is the column as text that differs letter by letter, and ``length`` the function that counts its
    characters.
    """

    def __init__(self, table: str, word: str, text: str, length: str) -> None:
        self.table = table
        self.word = word
        self.text = text
        self._length = length

    @abstractmethod
    def distinct(self, span: ValueSpan, at_most: int) -> ColumnValues:
        """Return up to ``at_most`` different values in ``span``.

        Raises the driver's errors, as the other methods do.
        """

    @abstractmethod
    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows of ``statement``, in which ``%s`` stands for each parameter if there are any."""

    def ignores_case(self) -> bool:
        """Whether the column's own comparisons take small and capital letters for the same."""
        return False

    def equal(self, texts: Sequence[str], at_most: int) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used."""
        if not texts:
            return ()
        places = ", ".join(["%s"] * len(texts))
        found = self._matching(f"{_doubled(self.word)} IN ({places})", texts, "v")
        wanted = set(texts)  # to the server, more may be the same
        return [value for value in found if value in wanted][:at_most]

    def beginning(self, texts: Sequence[str], at_most: int) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first.

        First in the cases that are usual in names, for which an index serves; where there are none, and the
        column tells small from capital letters, all rows are read.
        """
        if not texts:
            return ()
        order = f"{self._length}(v), v LIMIT {at_most}"
        usual = _usual_cases(texts)
        condition = _any_of(f"{_doubled(self.word)} LIKE %s", usual)
        found = self._matching(condition, [*map(_pattern, usual)], order)
        if found or self.ignores_case():
            return found
        anyhow = _any_of(f"LOWER({_doubled(self.text)}) LIKE LOWER(%s)", texts)
        return self._matching(anyhow, [*map(_pattern, texts)], order)

    def _matching(self, condition: str, parameters: Sequence[str], order: str) -> list[str]:
        text, table = _doubled(self.text), _doubled(self.table)
        matching = f"SELECT DISTINCT {text} AS v FROM {table} WHERE {condition}"
        found = self.rows(f"SELECT v FROM ({matching}) AS s ORDER BY {order}", parameters)
        return [value for (value,) in found]


def _doubled(name: str) -> str:
    """Return ``name`` for a statement with parameters, where a sign of percent is doubled."""
    return name.replace("%", "%%")


def _any_of(condition: str, texts: Sequence[str]) -> str:
    return " OR ".join([condition] * len(texts))


def _usual_cases(texts: Sequence[str]) -> list[str]:
    """Return ``texts`` in the cases that are usual in names, for which an index serves."""
    return list(dict.fromkeys(case for text in texts for case in (text, text.capitalize(), text.title())))


def _pattern(text: str) -> str:
    """Return a pattern of LIKE for what begins with ``text``; a backslash is its escape."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
