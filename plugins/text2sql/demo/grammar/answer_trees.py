"""The grammars of the short answers: each bounds one form of ``answers.py``."""

from __future__ import annotations

import json
from typing import Any

from plugins.text2sql.answers import FAILED, PASSED, Decision, Form, Keywords, TableNames, UnitTests, Verdicts
from plugins.text2sql.demo.grammar.joins import MOST_TABLES
from plugins.text2sql.demo.grammar.tree import Node, Rule, alt, listed, seq
from plugins.text2sql.demo.terse import TESTS
from plugins.text2sql.spans import spans

_BOUND_KEYWORDS = 4
_MAX_NAME_WORDS = 4


def answer_tree(form: Form[Any]) -> Node:
    """Return what an answer of ``form`` may say.

    Raises:
        ValueError: there is nothing to choose from.
        TypeError: no grammar is known for such a form.
    """
    match form:
        case Decision(tools):
            return alt(*tools)
        case Keywords(question):
            return _keywords(question)
        case TableNames(tables):
            return _table_list(tables)
        case UnitTests(at_most):
            return _unit_tests(at_most)
        case Verdicts(candidates):
            return _verdicts(candidates)
    raise TypeError(f"no grammar bounds a {type(form).__name__}")


def _keywords(question: str) -> Node:
    """Return JSON arrays of the question's own words: one, or up to four that stand together."""
    # A question without any word has one keyword, which finds nothing.
    chosen = spans(question, _MAX_NAME_WORDS) or [""]
    word = Rule("word", alt(*(json.dumps(span, ensure_ascii=False) for span in chosen)))
    return seq("[", listed(word, _BOUND_KEYWORDS, ", "), "]")


def _table_list(tables: tuple[str, ...]) -> Node:
    """Return JSON arrays of one to ``MOST_TABLES`` table names, without spaces; a name may come twice."""
    names = [json.dumps(table, ensure_ascii=False) for table in tables]
    return seq("[", listed(Rule("name", alt(*names)), MOST_TABLES, ","), "]")


def _unit_tests(at_most: int) -> Node:
    """Return lists with one test of each group of ``TESTS``, as far as ``at_most`` allows."""
    lines = [
        seq("\n- " if line else "- ", alt(*group)) for line, group in enumerate(TESTS[: max(1, at_most)])
    ]
    return seq(*lines)


def _verdicts(candidates: int) -> Node:
    verdict = Rule("verdict", alt(PASSED, FAILED))
    lines = [
        seq("" if number == 1 else "\n", f"Candidate {number}: ", verdict)
        for number in range(1, candidates + 1)
    ]
    return seq(*lines)
