"""The prompts, as segments from the most to the least shared: template, schema, question, context.

All workflows share the template, all questions to a database the schema, all calls of a workflow the
question; so a runtime that has served one of them has most of the next one's prefix in its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sched.workflow import Segment, SegmentKind


@dataclass(frozen=True, slots=True)
class Style:
    """One way of asking for a candidate."""

    name: str
    template: str


_LINKING = """You choose the tables of a SQLite database that are needed to answer a question.
Read the schema: every table with its columns, their types, sample values and foreign keys.
Choose each table that holds an asked-for value, a filter or a join between two chosen tables.
Leave out every other table. Answer with a JSON array of table names and nothing else.

"""

_RULES = """Write exactly one SELECT statement for SQLite. Use only tables and columns of the schema.
Qualify columns with their table when more than one table is used. Join along foreign keys.
Compare text with the spelling shown among the sample values. Dates are text like 2025-01-31.
"""

STYLES = (
    Style(
        "plan",
        "You translate a question into SQL by planning like a database engine.\n"
        + _RULES
        + "First decide which table to scan, which rows to keep, which tables to join and in which order,\n"
        "then what to group, aggregate, sort and limit. Then write the statement that does just this.\n\n",
    ),
    Style(
        "divide",
        "You translate a question into SQL by dividing it into smaller questions.\n"
        + _RULES
        + "Split the question into parts, find the clause that answers each part, and put the clauses\n"
        "together into one statement. Remove what no part of the question asks for.\n\n",
    ),
)

_REVISE = (
    """You repair a SQL statement that failed or returned no rows.
"""
    + _RULES
    + """Read the message of the database. An unknown column or table: use the one of the schema that was
meant. No rows: a filter or join is too strict or a value is spelled differently. Change only what is wrong.

"""
)


def linking(schema: str, question: str) -> list[Segment]:
    """Return the prompt of schema linking."""
    return [*_shared(_LINKING, schema, question), Segment(SegmentKind.CONTEXT, "Tables: ")]


def candidate(style: Style, schema: str, question: str, tables: Sequence[str]) -> list[Segment]:
    """Return the prompt of a candidate; ``tables`` are the linked ones."""
    context = f"Relevant tables: {', '.join(tables)}\nSQL: " if tables else "SQL: "
    return [*_shared(style.template, schema, question), Segment(SegmentKind.CONTEXT, context)]


def revision(schema: str, question: str, sql: str, complaint: str) -> list[Segment]:
    """Return the prompt of a revision of ``sql`` after the database's ``complaint``."""
    context = f"Statement:\n{sql}\nProblem: {complaint}\nRepaired SQL: "
    return [*_shared(_REVISE, schema, question), Segment(SegmentKind.CONTEXT, context)]


def _shared(template: str, schema: str, question: str) -> list[Segment]:
    return [
        Segment(SegmentKind.TEMPLATE, template),
        Segment(SegmentKind.SCHEMA, f"Schema:\n{schema}\n"),
        Segment(SegmentKind.QUESTION, f"Question: {question}\n"),
    ]
