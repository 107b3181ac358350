"""The short answers of the structured stages: the grammar each can be bound to, and how it is read.

Reading takes any text, since a model without the grammar may write anything and any output may be cut
off: what can be understood of it counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.statements import table_list_tree
from plugins.text2sql.demo.grammar.tree import Node, Rule, alt, listed, seq
from plugins.text2sql.demo.question.spans import spans
from sched.workflow import Generation

T = TypeVar("T")

MAX_KEYWORDS = 8
PASSED, FAILED = "passed", "failed"
_BOUND_KEYWORDS = 4
_MAX_NAME_WORDS = 4
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*(.+?)\s*$", re.MULTILINE)
_VERDICT = re.compile(r"\bcandidate\W{0,3}(\d+)\W+(passed|failed)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """What an answer looks like.

    ``tree`` bounds it; ``read`` understands any text as far as it goes.  ``by_line``: of an answer that
    was cut off, the last line doesn't count (elsewhere it can't be taken for a whole one).
    """

    tree: Node
    read: Callable[[str], T]
    by_line: bool = False

    def of(self, generation: Generation) -> T:
        """Return what ``generation`` says."""
        text = generation.text
        return self.read(text.rpartition("\n")[0] if self.by_line and generation.truncated else text)


def decision_form(tools: Sequence[str]) -> Form[str | None]:
    """Return the form of a decision for one of ``tools``; read as ``None`` if it names none of them."""

    def read(text: str) -> str | None:
        named = [(match.start(), tool) for tool in tools if (match := re.search(rf"\b{tool}\b", text))]
        return min(named)[1] if named else None

    return Form(alt(*tools), read)


def keywords_form(question: str) -> Form[list[str]]:
    """Return the form of a JSON array of keywords, bound to the question's own words.

    A keyword is one word or up to four that stand together, as a name's do.
    """
    # A question without any word has one keyword, which finds nothing.
    chosen = spans(question, _MAX_NAME_WORDS) or [""]
    word = Rule("word", alt(*(json.dumps(span, ensure_ascii=False) for span in chosen)))

    def read(text: str) -> list[str]:
        return [keyword for keyword in _strings(text) if keyword.strip()][:MAX_KEYWORDS]

    return Form(seq("[", listed(word, _BOUND_KEYWORDS, ", "), "]"), read)


def tables_form(schema: DatabaseSchema) -> Form[list[str]]:
    """Return the form of a JSON array of table names; others are ignored when it is read."""
    known = {table.name for table in schema.tables}
    return Form(table_list_tree(schema), lambda text: [name for name in _strings(text) if name in known])


def unit_tests_form(at_most: int, choices: Sequence[Sequence[str]]) -> Form[list[str]]:
    """Return the form of a list of at most ``at_most`` unit tests, one a line.

    Bound to it, a model chooses one test of each group of ``choices``, as far as ``at_most`` allows.
    """
    lines = [
        seq("\n- " if line else "- ", alt(*group)) for line, group in enumerate(choices[: max(1, at_most)])
    ]

    def read(text: str) -> list[str]:
        return list(dict.fromkeys(_BULLET.findall(text)))[:at_most]

    return Form(seq(*lines), read, by_line=True)


def verdicts_form(candidates: int) -> Form[frozenset[int]]:
    """Return the form of a verdict on each candidate; read as the indexes (from 0) of those that passed."""
    verdict = Rule("verdict", alt(PASSED, FAILED))
    lines = [
        seq("" if number == 1 else "\n", f"Candidate {number}: ", verdict)
        for number in range(1, candidates + 1)
    ]

    def read(text: str) -> frozenset[int]:
        last = {int(number): word.lower() for number, word in _VERDICT.findall(text)}
        return frozenset(n - 1 for n, word in last.items() if word == PASSED and 0 < n <= candidates)

    return Form(seq(*lines), read)


def _strings(text: str) -> list[str]:
    """Return the complete JSON strings of the first array in ``text``, each once."""
    _, bracket, array = text.partition("[")
    found = (_string(quoted) for quoted in _STRING.findall(array.partition("]")[0])) if bracket else ()
    return list(dict.fromkeys(string for string in found if string is not None))


def _string(quoted: str) -> str | None:
    try:
        return str(json.loads(quoted))
    except ValueError:  # an escape that JSON doesn't know
        return None
