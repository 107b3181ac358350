"""The demo model's prompts: marks stand for the names of a question that were found."""

from __future__ import annotations

import pytest

from plugins.text2sql.demo.terse import DEMO
from plugins.text2sql.prompts.layout import Topic

ROME, ITALY = "customers.city = 'Rome'", "customers.country = 'Italy'"


def linked(question: str, *found: str) -> str:
    return "".join(segment.text for segment in DEMO.linking(Topic("", question, DEMO.retrieved(found, ()))))


@pytest.mark.parametrize(
    ("question", "found", "prompt"),
    [
        ("orders from Rome", [ROME], f"orders from NameA\nvalues: NameA: {ROME}\n"),
        # In the question's order, whatever it was found in.
        ("Rome in Italy", [ITALY, ROME], f"NameA in NameB\nvalues: NameB: {ITALY}; NameA: {ROME}\n"),
        ("rome or Rome", [ROME], f"NameA or NameA\nvalues: NameA: {ROME}\n"),
        ("Italians from Rom", [ROME, ITALY], f"Italians from Rom\nvalues: {ROME}; {ITALY}\n"),
        ("romeo", [ROME], f"romeo\nvalues: {ROME}\n"),
        ("O'Hara's goods", ["s.n = 'O''Hara'"], "NameA's goods\nvalues: NameA: s.n = 'O''Hara'\n"),
        (
            "Delta Pan",
            ["p.n = 'Delta'", "p.n = 'Delta Pan'"],
            "NameA\nvalues: p.n = 'Delta'; NameA: p.n = 'Delta Pan'\n",
        ),
        # A mark is set where the name is really replaced, and before a whole column.
        ("in \u0130zmir", ["c.city = 'Izmir'"], "in \u0130zmir\nvalues: c.city = 'Izmir'\n"),
        ("Anna", ["c.\"first name\" = 'Anna'"], "NameA\nvalues: NameA: c.\"first name\" = 'Anna'\n"),
        # These words may say something else.
        ("what was shipped", ["o.s = 'shipped'"], "what was shipped\nvalues: o.s = 'shipped'\n"),
        ("average stars", ["r.t = 'Average'"], "average stars\nvalues: r.t = 'Average'\n"),
        ("the most", [], "the most\n"),
    ],
)
def test_found_names_are_marked(question: str, found: list[str], prompt: str) -> None:
    """The model sees a mark for each name, and beside the mark where the name is stored."""
    assert linked(question, *found) == f"{prompt}tables: "
