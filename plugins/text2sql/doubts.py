"""What is doubtful about SQL that ran: it leaves out what the question says, or says what it doesn't.

A tiny model forgets one of three columns to show, or puts a country where none was named.  A larger one is
trusted: it knows that a price may be stored under another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from plugins.text2sql import doubts_amounts, doubts_form, doubts_names
from plugins.text2sql.doubts_reading import Reading
from plugins.text2sql.prompts import Topic
from plugins.text2sql.schema import DatabaseSchema

_LOOKS: tuple[Callable[[Reading], Iterator[str]], ...] = (
    doubts_form.twice,
    doubts_names.unused_columns,
    doubts_amounts.unused_numbers,
    doubts_names.unsaid_texts,
    doubts_form.unsaid_not,
    doubts_form.unused_functions,
    doubts_form.fixed,
    doubts_names.unused_choices,
    doubts_names.unused_findings,
    doubts_amounts.turned_about,
    doubts_amounts.used_twice,
    doubts_amounts.unsaid_numbers,
    doubts_form.unsaid_rank,
    doubts_names.other_order,
)


def doubt(schema: DatabaseSchema, topic: Topic, statement: str) -> str | None:
    """Return what speaks against ``statement`` as the answer about ``topic``, for the prompt of a revision.

    Doubtful is a SELECT that

    - shows an item twice, has a value twice in one list or a condition twice, or one number for two things;
    - lacks a column, a number or a stored value that the question names, or the units sold, or compares the
      other way round;
    - demands a certain number, where the question has none, or a text of which no word begins like one of the
      question and which retrieval did not find;
    - excludes nothing where the question does, or more than it does;
    - doesn't count, average or rank what the question says, or ranks what it doesn't;
    - groups by or shows what is the same in all rows, or shows columns in another order than they are named.

    ``None`` says that there is nothing, or that the statement can't be parsed.
    """
    try:
        root = sqlglot.parse_one(statement, read="sqlite")
    except SqlglotError:
        return None
    if not isinstance(root, exp.Select):
        return None
    reading = Reading(schema, topic, root)
    return next((found for look in _LOOKS for found in look(reading)), None)
