"""What is doubtful about SQL that ran: it leaves out what the question says, or says what it doesn't.

A tiny model forgets one of three columns to show, or puts a country where none was named.  A larger one is
trusted: it knows that a price may be stored under another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.doubts import amounts, form, names
from plugins.text2sql.demo.doubts.reading import Reading
from plugins.text2sql.prompts.layout import Topic

_LOOKS: tuple[Callable[[Reading], Iterator[str]], ...] = (
    form.twice,
    names.unused_columns,
    amounts.unused_numbers,
    names.unsaid_texts,
    form.unsaid_not,
    form.unused_functions,
    form.fixed,
    names.unused_choices,
    names.unused_findings,
    amounts.turned_about,
    amounts.used_twice,
    amounts.unsaid_numbers,
    form.unsaid_rank,
    names.other_order,
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
