"""What is doubtful about SQL that ran: it leaves out what the question says, or says what it doesn't.

A tiny model forgets one of three columns to show, or puts a country where none was named.  A larger one is
trusted: it knows that a price may be stored under another name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from plugins.text2sql.grammar_numbers import clear_numbers
from plugins.text2sql.prompts import Topic
from plugins.text2sql.schema import DatabaseSchema
from plugins.text2sql.spans import COMMON

# Names of columns that say something else as well: shipping cost, the quantity in stock, name all cities.
_VAGUE = COMMON | {"cost", "id", "name", "quantity"}
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_BEGINNING = 2
"""As many first letters a value shares with its adjective, or with a slip of the hand."""
_NOT = re.compile(
    r"\b(?:not(?! (?:more|less|fewer|later|earlier)\b)|neither|nor|never|nobody|without|except|outside"
    r"|other than|anything but|(?:are|is|was|were|have|has|do|does|did)n'?t)\b"
)
_AVERAGE = re.compile(r"\b(?:averages?|avg|mean)\b")
_HOW_MANY = re.compile(r"\b(?:how many|number of|count)\b")
_MOST = re.compile(
    r"(?<!at )\b(?:most|least|fewest|highest|lowest|largest|smallest|biggest|cheapest|priciest|newest|oldest)"
    r"\b(?! recent)"
)
_AMOUNTS = {"stock", "quantity", "rating", "id"}
# A people that is called nothing like its country.
_PEOPLES = {"dutch": "netherlands"}


def doubt(schema: DatabaseSchema, topic: Topic, statement: str) -> str | None:
    """Return what speaks against ``statement`` as the answer about ``topic``, for the prompt of a revision.

    Doubtful is a SELECT that shows an item twice or has a value twice in one list, uses no column of a name
    that stands in the question, lacks one of its numbers, has a text of which no word begins like one of
    the question and which retrieval did not find, excludes nothing where the question does or the other way
    round, doesn't count, average or rank what it says, groups by what is the same in all rows, or lacks a
    value that stands behind its column's name.  ``None`` says that there is nothing, or that the statement
    can't be parsed.
    """
    try:
        root = sqlglot.parse_one(statement, read="sqlite")
    except SqlglotError:
        return None
    if not isinstance(root, exp.Select):
        return None
    return next((found for look in _LOOKS for found in look(schema, topic, root)), None)


def _twice(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    for listed in (root.expressions, *(node.expressions for node in root.find_all(exp.In))):
        items = [item.sql(dialect="sqlite") for item in listed]
        for place, item in enumerate(items):
            if item in items[:place]:
                yield f"{item} is there twice"


def _unused_columns(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    used = {column.name.casefold() for column in root.find_all(exp.Column)}
    names = {
        column.name.casefold()
        for table in schema.tables
        for column in table.columns
        if column.name not in table.key_columns
    }
    text = topic.question.casefold()
    for name in sorted(names - _VAGUE - used):
        if re.search(rf"\b(?:{'|'.join(_forms(name))})\b", text):
            yield f"{name} is named and not used"


def _forms(name: str) -> tuple[str, ...]:
    """Return the words of a column's name, in the singular and the plural."""
    words = re.escape(name.replace("_", " "))
    return words, f"{words}s", f"{words}es", *([f"{words[:-1]}ies"] if words.endswith("y") else [])


def _unused_numbers(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    used = {float(number) for number in _DIGITS.findall(root.sql(dialect="sqlite"))}
    for number in clear_numbers(topic.question):
        if number not in used:
            yield f"{number:g} is named and not used"


def _unsaid_texts(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    said = _LETTERS.findall(topic.question.casefold())
    said += [_PEOPLES[word] for word in said if word in _PEOPLES]
    begun = {word[:_BEGINNING] for word in said}
    for node in root.find_all(exp.Literal):
        words = _LETTERS.findall(node.this.casefold()) if node.is_string else []
        if words and begun.isdisjoint(w[:_BEGINNING] for w in words) and node.this not in topic.evidence:
            yield f"{node.this} is not named"


def _unsaid_not(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    excludes = root.find(exp.Not, exp.NEQ, exp.Null, exp.Distinct)
    none = any(node.right.name == "0" for node in root.find_all(exp.EQ))
    text = _without_values(topic.question, root)
    if _NOT.search(text) and not (excludes or none):
        yield "nothing is excluded"
    if root.find(exp.NEQ) and not _NOT.search(text):
        yield "nothing is to be excluded"


def _unused_functions(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    text = _without_values(topic.question, root)
    if _AVERAGE.search(text) and not root.find(exp.Avg):
        yield "average is named and not used"
    amounts = any(column.name in _AMOUNTS for column in root.find_all(exp.Column))
    if _HOW_MANY.search(text) and not amounts and not root.find(exp.Count, exp.Sum):
        yield "nothing is counted"
    if _MOST.search(text) and not root.find(exp.Limit, exp.Order, exp.Max, exp.Min):
        yield "nothing comes first"


def _without_values(question: str, root: exp.Select) -> str:
    """Return the question in small letters without the texts that the statement compares with."""
    text = question.casefold()
    for node in root.find_all(exp.Literal):
        if node.is_string:
            text = text.replace(node.this.casefold().strip("%"), " ")
    return text


def _fixed_groups(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    where, group = root.args.get("where"), root.args.get("group")
    if where and group:
        fixed = {node.left for node in where.find_all(exp.EQ) if isinstance(node.left, exp.Column)}
        for column in group.expressions:
            if column in fixed:
                yield f"{column.name} is the same in all rows"


def _unused_choices(schema: DatabaseSchema, topic: Topic, root: exp.Select) -> Iterator[str]:
    text = topic.question.casefold()
    used = {node.this.casefold() for node in root.find_all(exp.Literal) if node.is_string}
    for table in schema.tables:
        for column in table.columns:
            for choice in column.choices:
                value = str(choice).casefold()
                said = rf"\b{re.escape(column.name.replace('_', ' '))} (?:is |was |of )?{re.escape(value)}\b"
                if value not in used and re.search(said, text):
                    yield f"{choice} is named and not used"


_Look = Callable[[DatabaseSchema, Topic, exp.Select], Iterator[str]]
_LOOKS: tuple[_Look, ...] = (
    _twice,
    _unused_columns,
    _unused_numbers,
    _unsaid_texts,
    _unsaid_not,
    _unused_functions,
    _fixed_groups,
    _unused_choices,
)
