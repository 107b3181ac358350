"""Columns with too many values for an index: the database is asked for what is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.value_scan import TextColumn
from plugins.text2sql.retrieval.likeness import SHORTEST_WORD, alike, folded, lengths
from plugins.text2sql.retrieval.matches import (
    PART_OF_NAMES,
    PER_WORD,
    exact,
    may_resemble,
    meant,
    names,
    nearest,
    phrases,
    queries,
)
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import MOST_NAME_WORDS, spans
from sched.errors import UnavailableError

MOST_VALUES = 200
"""So many values of a column are read at most in one look-up."""
_SAME_LETTERS = 3
_MOST_PAIRS = 16
"""Pairs of letters by which candidates for a misspelled name are drawn; each makes reading rows slower."""


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
        values that begin with them, and for the rest of the words values that they resemble.
        """
        if not self.columns:
            return
        keywords = meant(keywords, said, common)
        texts, labels = [], []
        wanted = list(_wanted(keywords, said, common))
        for column, value in self._read(partial(self._equal, wanted), "are named"):
            texts.append(value)
            labels.append(self._condition(column, value))
        named = TextIndex(texts, labels)
        self.found |= dict.fromkeys(exact(named, keywords, said, common), 1.0)
        words = [word for word in queries(named, keywords, common) if may_resemble(word, common)]
        words = [word for word in words if not named.exact(word) and not index.exact(word)]
        if words:
            began = self._find_beginnings(words)
            for word in words:
                if word not in began:
                    self._find_resembling(word)

    def _find_beginnings(self, words: Sequence[str]) -> set[str]:
        """Take a value of a column that begins with one of ``words``; of several, what they begin with.

        Return the words with which values begin.
        """
        starting: dict[tuple[TextColumn, str], list[str]] = {}
        for column, value in self._read(partial(self._beginning, words), "begin like keywords"):
            text = folded(value)
            for word in words:
                said = folded(word)
                if text.startswith(f"{said} ") or alike(said, text):
                    starting.setdefault((column, word), []).append(value)
        for (column, word), values in starting.items():
            several = f"{column.sql(self.dialect)} LIKE {self.dialect.literal(values[0][: len(word)] + '%')}"
            label = self._condition(column, values[0]) if len(values) == 1 else several
            self.found.setdefault(label, PART_OF_NAMES)
        return {word for _, word in starting}

    def _find_resembling(self, word: str) -> None:
        """Take the values most like ``word``, of those that share most pairs of letters with it.

        Most slips come later than in the first letters, so values that begin the same are read first, which
        is much faster.
        """
        said = folded(word)
        for beginning in (said[:_SAME_LETTERS], ""):
            read = list(self._read(partial(self._sharing, said, beginning)))
            texts, labels = [value for _, value in read], [self._condition(*pair) for pair in read]
            if found := nearest(TextIndex(texts, labels).find(word, PER_WORD)):
                for label, likeness in found.items():
                    self.found.setdefault(label, likeness)
                return

    def _equal(self, texts: Sequence[str], column: TextColumn) -> Sequence[str]:
        return self.source.equal(column.table, column.name, texts, MOST_VALUES + 1, self.stopped)

    def _beginning(self, texts: Sequence[str], column: TextColumn) -> Sequence[str]:
        return self.source.beginning(column.table, column.name, texts, MOST_VALUES + 1, self.stopped)

    def _sharing(self, said: str, beginning: str, column: TextColumn) -> Sequence[str]:
        pairs = list(dict.fromkeys(map("".join, pairwise(said))))[:_MOST_PAIRS]
        return self.source.sharing(
            column.table, column.name, beginning, pairs, lengths(said), MOST_VALUES, self.stopped
        )

    def _read(
        self, ask: Callable[[TextColumn], Sequence[str]], what: str = ""
    ) -> Iterator[tuple[TextColumn, str]]:
        """Yield what ``ask`` returns of the columns; those that can't be asked are noted.

        So are those of which more values ``what`` than are taken.
        """
        unread = []
        for column in self.columns:
            if self.stopped():
                unread.append(column.sql(self.dialect))
                continue
            try:
                values = ask(column)
            except UnavailableError:
                unread.append(column.sql(self.dialect))
                continue
            if len(values) > MOST_VALUES:
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
