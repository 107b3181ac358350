"""Columns with too many values for an index: the database is asked for what is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.value_scan import TextColumn
from plugins.text2sql.retrieval.likeness import SHORTEST_WORD, alike, folded
from plugins.text2sql.retrieval.matches import PART_OF_NAMES, exact, may_resemble, names, phrases, queries
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import MOST_NAME_WORDS, spans
from sched.errors import UnavailableError

MOST_VALUES = 200
"""So many values of a column are read at most in one look-up."""


@dataclass(slots=True)
class LargeColumns:
    """One look-up in ``columns`` of ``source``, for values of at most ``longest`` characters.

    ``stopped`` ends what takes long.  ``found`` are conditions with their likeness; ``notes`` say what was
    left out.
    """

    source: Database
    columns: Sequence[TextColumn]
    dialect: Dialect
    longest: int
    stopped: Callable[[], bool]
    found: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def look_up(
        self, index: TextIndex, keywords: Sequence[str], said: tuple[str, ...], common: frozenset[str]
    ) -> None:
        """Find the values that the texts ``said`` or ``keywords`` name.

        For words of the keywords that neither these columns nor the ``index`` of the others have, find
        values that begin with them.
        """
        if not self.columns:
            return
        texts, labels = [], []
        wanted = list(_wanted(keywords, said, common))
        for column, value in self._read(wanted, begins=False):
            texts.append(value)
            labels.append(self._condition(column, value))
        named = TextIndex(texts, labels)
        self.found |= dict.fromkeys(exact(named, keywords, said, common), 1.0)
        words = [word for word in queries(named, keywords, common) if may_resemble(word, common)]
        words = [word for word in words if not named.exact(word) and not index.exact(word)]
        if words:
            self._find_beginnings(words)

    def _find_beginnings(self, words: Sequence[str]) -> None:
        """Take a value of a column that begins with one of ``words``; of several, what they begin with."""
        starting: dict[tuple[TextColumn, str], list[str]] = {}
        for column, value in self._read(words, begins=True):
            text = folded(value)
            for word in words:
                said = folded(word)
                if text.startswith(f"{said} ") or alike(said, text):
                    starting.setdefault((column, word), []).append(value)
        for (column, word), values in starting.items():
            several = f"{column.sql(self.dialect)} LIKE {self.dialect.literal(values[0][: len(word)] + '%')}"
            label = self._condition(column, values[0]) if len(values) == 1 else several
            self.found.setdefault(label, PART_OF_NAMES)

    def _read(self, texts: Sequence[str], *, begins: bool) -> Iterator[tuple[TextColumn, str]]:
        """Yield what the columns have of ``texts``; those that can't be asked are noted."""
        unread = []
        for column in self.columns:
            if self.stopped():
                unread.append(column.sql(self.dialect))
                continue
            ask = self.source.beginning if begins else self.source.equal
            try:
                values = ask(column.table, column.name, texts, MOST_VALUES + 1, self.stopped)
            except UnavailableError:
                unread.append(column.sql(self.dialect))
                continue
            if len(values) > MOST_VALUES:
                what = "begin like keywords" if begins else "are named"
                self.notes.append(f"more than {MOST_VALUES} values of {column.sql(self.dialect)} {what}")
            for value in values[:MOST_VALUES]:
                if isinstance(value, str) and len(value) <= self.longest:
                    yield column, value
        if unread:
            self.notes.append(f"the database gave no answer in time about {', '.join(unread)}")

    def _condition(self, column: TextColumn, value: str) -> str:
        return f"{column.sql(self.dialect)} = {self.dialect.literal(value)}"


def _wanted(keywords: Sequence[str], said: tuple[str, ...], common: frozenset[str]) -> Iterator[str]:
    """Yield the runs of words that may be values, each as it is written and in other cases."""
    found = dict.fromkeys(phrases(keywords))
    for text, shortest in (
        *((text, 2) for text in said),
        *((phrase, SHORTEST_WORD) for phrase in list(found)),
    ):
        for span in spans(text, MOST_NAME_WORDS):
            if any(map(str.isalpha, span)) and names(text, span, common):
                found[span] = None
                if len(span) >= shortest:
                    found |= dict.fromkeys((span.lower(), span.capitalize(), span.title(), span.upper()))
    yield from found
