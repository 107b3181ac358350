"""The prompts, as segments from the most to the least shared: template, schema, question, context.

All workflows share the template, all questions to a database the schema, all calls of a workflow the
question; so a runtime that has served one of them has most of the next one's prefix in its cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from plugins.text2sql import stages
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.prompts import wording
from sched.workflow import Segment, SegmentKind, SqlResult

_SHOWN_ROWS = 3
_SHOWN_CHARACTERS = 160
_MOST_STATEMENT = 2_000
"""Characters of a statement that a revision's prompt shows."""
_LOOP_TIMES, _LOOP_CHARACTERS, _LONGEST_LOOP = 8, 64, 200
"""A statement goes in a circle that ends in the same so many times, in so many characters or more; the same
is so many characters at most.  The parentheses in which a statement may end are fewer."""


@dataclass(frozen=True, slots=True)
class Style:
    """One way of asking for a candidate."""

    name: str
    template: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What the prompts of one question are about: the rendered schema, the question, what was retrieved.

    ``hint`` is what the user said besides the question, and ``earlier`` what was asked and answered before;
    empty if nothing.
    ``tables`` are the texts of single tables, shown instead of the schema: a segment each, so that prompts
    that begin with the same tables share them to the token.
    """

    schema: str
    question: str
    retrieved: str = ""
    hint: str = ""
    earlier: str = ""
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """A profile of prompts.  ``templates`` has one per stage but for candidates, which have ``styles``.

    ``sql_cue`` and ``revision_cue`` are the last words of prompts for SQL: the answer follows them.
    """

    name: str
    styles: tuple[Style, ...]
    templates: Mapping[str, str]
    sql_cue: str = "SQL: "
    revision_cue: str = "Repaired SQL: "

    def decision(self, stage: str, topic: Topic, used: Sequence[str]) -> list[Segment]:
        """Return the prompt for an agent's next tool, after those ``used``."""
        so_far = ", ".join(used) or "nothing"
        return [
            Segment(SegmentKind.TEMPLATE, self.templates[stage]),
            _question(topic),
            _context(f"Used so far: {so_far}\nNext: "),
        ]

    def keywords(self, topic: Topic) -> list[Segment]:
        """Return the prompt for the words to look up."""
        template = Segment(SegmentKind.TEMPLATE, self.templates[stages.EXTRACT_KEYWORDS])
        return [template, _question(topic), _context("Keywords: ")]

    def linking(self, topic: Topic) -> list[Segment]:
        """Return the prompt of schema linking."""
        return [*self._shared(self.templates[stages.SCHEMA_LINKING], topic), _context("Tables: ")]

    def candidate(self, style: Style, topic: Topic, tables: Sequence[str]) -> list[Segment]:
        """Return the prompt of a candidate; ``tables`` are the linked ones."""
        linked = f"Relevant tables: {', '.join(tables)}\n" if tables else ""
        return [*self._shared(style.template, topic), _context(linked + self.sql_cue)]

    def revision(
        self, topic: Topic, sql: str, complaint: str, earlier: Sequence[tuple[str, str]] = ()
    ) -> list[Segment]:
        """Return the prompt of a revision of ``sql`` after the database's ``complaint``.

        ``earlier`` are statements tried before, with what was wrong with each.
        """
        tried = "".join(f"Tried before:\n{_begun(old)}\nProblem: {why}\n" for old, why in earlier)
        context = f"{tried}Statement:\n{_begun(sql)}\nProblem: {complaint}\n{self.revision_cue}"
        return [*self._shared(self.templates[stages.REVISE], topic), _context(context)]

    def unit_tests(self, topic: Topic, candidates: str, at_most: int) -> list[Segment]:
        """Return the prompt for at most ``at_most`` tests between ``candidates`` (:func:`compared`)."""
        shared = self._shared(self.templates[stages.GENERATE_UNIT_TEST], topic)
        return [*shared, _context(candidates), _context(f"At most {at_most} tests:\n")]

    def evaluation(self, topic: Topic, candidates: str, test: str) -> list[Segment]:
        """Return the prompt that judges ``candidates`` by ``test``; only its end differs between tests."""
        shared = self._shared(self.templates[stages.EVALUATE], topic)
        return [*shared, _context(candidates), _context(f"Test: {test}\nVerdicts:\n")]

    def retrieved(self, values: Sequence[str], columns: Sequence[str]) -> str:
        """Return what retrieval found, for a prompt; empty if it found nothing."""
        lines = []
        if values:
            lines.append(f"Values found in the database: {'; '.join(values)}\n")
        if columns:
            lines.append(f"Columns that may matter: {', '.join(columns)}\n")
        return "".join(lines)

    def compared(self, results: Sequence[SqlResult], most: int | None = None) -> str:
        """Return the candidates' statements, ``most`` characters of each, with the results' beginnings."""
        return "".join(
            f"Candidate {number}:\n{result.statement if most is None else _begun(result.statement, most)}\n"
            f"Result: {_shown(result)}\n"
            for number, result in enumerate(results, 1)
        )

    def _shared(self, template: str, topic: Topic) -> list[Segment]:
        segments = [
            Segment(SegmentKind.TEMPLATE, template),
            *_schema(topic),
            _question(topic),
        ]
        return [*segments, _context(topic.retrieved)] if topic.retrieved else segments


@cache
def compact_prompts(dialect: Dialect) -> Prompts:
    """Return the short profile for SQL in ``dialect``: instructions, for small models and short contexts."""
    styles = Style("plan", wording.plan(dialect)), Style("divide", wording.divide(dialect))
    return Prompts("compact", styles, wording.instructions(dialect))


COMPACT = compact_prompts(SQLITE)


def _begun(statement: str, most: int = _MOST_STATEMENT) -> str:
    """Return ``statement``, cut where it goes on and on, which would fill the model's context.

    What is repeated to the end is shown twice: a model that sees more of it goes on with it.
    """
    end = min(_circle(statement), most)
    return statement if len(statement) <= end else f"{statement[:end]}…"


def _circle(statement: str) -> int:
    """Return where the second round of what ``statement`` repeats to its end is over, else its length."""
    size = len(statement)
    for period in range(1, _LONGEST_LOOP + 1):
        begin = size - period
        while begin > 0 and statement[begin - 1] == statement[begin - 1 + period]:
            begin -= 1
        if size - begin >= max(_LOOP_TIMES * period, _LOOP_CHARACTERS):
            return begin + 2 * period
    return size


def _shown(result: SqlResult) -> str:
    rows = " ".join(str(row) for row in result.rows[:_SHOWN_ROWS])
    if len(rows) > _SHOWN_CHARACTERS:
        rows = f"{rows[:_SHOWN_CHARACTERS]}…"
    count = f"{'more than ' if result.truncated else ''}{len(result.rows)}"
    return f"{count} {'row' if count == '1' else 'rows'}, beginning with {rows}"


def _schema(topic: Topic) -> list[Segment]:
    if not topic.tables:
        return [Segment(SegmentKind.SCHEMA, f"Schema:\n{topic.schema}\n")]
    return [Segment(SegmentKind.SCHEMA, text) for text in ("Schema:\n", *(f"{t}\n" for t in topic.tables))]


def _question(topic: Topic) -> Segment:
    hint = f"Hint: {topic.hint}\n" if topic.hint else ""
    return Segment(SegmentKind.QUESTION, f"{topic.earlier}Question: {topic.question}\n{hint}")


def _context(text: str) -> Segment:
    return Segment(SegmentKind.CONTEXT, text)
