"""The compact profile in the few words that the demo model was trained on (``training/``).

There are no instructions and no schema, since this model knows one task and one database.  The question
comes first, what is asked for stands at the end.  Where retrieval has found a name of the question, a mark
stands for it from then on, so that no name is unknown to the model.  What unit tests compare is the shape of
results, which running the statements gives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from plugins.text2sql.demo.question.common import COMMON
from plugins.text2sql.prompts.layout import Prompts, Style, Topic
from sched.workflow import Segment, SegmentKind, SqlResult

_SHOWN_VALUES = 4
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FOUND = re.compile(r"(?:\"[^\"]*\"|[^\s\"])+ = '((?:[^']|'')*)'")

TESTS = (
    ("one row", "several rows"),
    ("one column", "two columns", "three columns"),
    ("a number", "a text", "a date"),
)
"""The unit tests: how many rows and columns a right answer has, and what its first column holds."""

Shape = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class TersePrompts(Prompts):
    """Prompts without instructions; of ``templates`` nothing is used."""

    def decision(self, stage: str, topic: Topic, used: Sequence[str]) -> list[Segment]:
        """Return the prompt for an agent's next tool, after those ``used``."""
        return [_question(topic.question), _context(f"{stage} after {', '.join(used) or 'nothing'}: ")]

    def keywords(self, topic: Topic) -> list[Segment]:
        """Return the prompt for the words to look up."""
        return [_question(topic.question), _context("keywords: ")]

    def linking(self, topic: Topic) -> list[Segment]:
        """Return the prompt of schema linking."""
        return [*_about(topic), _context("tables: ")]

    def candidate(self, style: Style, topic: Topic, tables: Sequence[str]) -> list[Segment]:
        """Return the prompt of a candidate; ``tables`` are the linked ones."""
        return [*_about(topic), _context(f"{style.name} with {', '.join(tables)}: ")]

    def revision(
        self, topic: Topic, sql: str, complaint: str, earlier: Sequence[tuple[str, str]] = ()
    ) -> list[Segment]:
        """Return the prompt of a revision of ``sql`` after the database's ``complaint``, the latest alone."""
        return [*_about(topic), _context(f"{sql}\nfailed: {complaint}\nrepaired: ")]

    def unit_tests(self, topic: Topic, candidates: str, at_most: int) -> list[Segment]:
        """Return the prompt for the shape of a right answer."""
        return [_question(topic.question), _context("tests:\n")]

    def evaluation(self, topic: Topic, candidates: str, test: str) -> list[Segment]:
        """Return the prompt that compares the shapes of ``candidates`` with ``test``."""
        return [_context(candidates), _context(f"test: {test}\n")]

    def retrieved(self, values: Sequence[str], columns: Sequence[str]) -> str:
        """Return the values that retrieval found, the best ones; columns are not shown."""
        return f"values: {'; '.join(values[:_SHOWN_VALUES])}\n" if values else ""

    def compared(self, results: Sequence[SqlResult], most: int | None = None) -> str:
        """Return the shapes of the candidates' results; none is longer than ``most``."""
        return "".join(
            f"Candidate {number}: {', '.join(shape(result))}\n" for number, result in enumerate(results, 1)
        )


DEMO = TersePrompts("demo", (Style("plan", ""), Style("divide", "")), {})
"""What the demo model was trained on."""


def shape(result: SqlResult) -> Shape:
    """Return what ``TESTS`` ask of a result, one part for each line of them."""
    rows, columns, kinds = TESTS
    first = result.rows[0][0] if result.rows and result.rows[0] else None
    kind = kinds[0]
    if isinstance(first, str):
        kind = kinds[2] if _DATE.fullmatch(first) else kinds[1]
    return rows[len(result.rows) > 1], columns[min(len(result.columns), len(columns)) - 1], kind


def _about(topic: Topic) -> list[Segment]:
    question, retrieved = _marked(topic.question, topic.retrieved)
    return [_question(question), *([_context(retrieved)] if retrieved else [])]


def _marked(question: str, retrieved: str) -> tuple[str, str]:
    """Return both with marks: instead of the names that ``question`` has of ``retrieved``, before them there.

    Names begin with a capital in the database.  What is stored in small letters, as shipped, may say other
    things, and so may common words, as average.
    """
    found = {_text(match).casefold() for match in _FOUND.finditer(retrieved) if _is_name(_text(match))}
    if not found:
        return question, retrieved
    marks: dict[str, str] = {}

    def instead(match: re.Match[str]) -> str:
        name = match[0].casefold()
        # Letters that are alike without their case need not be the same when it is folded.
        return marks.setdefault(name, f"Name{ascii_uppercase[len(marks)]}") if name in found else match[0]

    def beside(match: re.Match[str]) -> str:
        mark = marks.get(_text(match).casefold())
        return f"{mark}: {match[0]}" if mark else match[0]

    either = "|".join(re.escape(name) for name in sorted(found, key=lambda name: (-len(name), name)))
    question = re.sub(rf"(?<!\w)(?:{either})(?!\w)", instead, question, flags=re.IGNORECASE)
    return question, _FOUND.sub(beside, retrieved)


def _text(found: re.Match[str]) -> str:
    return found[1].replace("''", "'")


def _is_name(text: str) -> bool:
    return text[:1].isupper() and text.casefold() not in COMMON


def _question(question: str) -> Segment:
    return Segment(SegmentKind.QUESTION, f"{question}\n")


def _context(text: str) -> Segment:
    return Segment(SegmentKind.CONTEXT, text)
