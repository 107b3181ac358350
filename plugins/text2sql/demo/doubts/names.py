"""Doubts about names: the columns and stored values of the question and of the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sqlglot import exp

from plugins.text2sql.demo.doubts.reading import Reading
from plugins.text2sql.demo.question.common import COMMON, plainly

# Names of columns that say something else as well: shipping cost, the quantity in stock, name all cities.
_VAGUE = COMMON | {"cost", "id", "name", "quantity"}
# A purchase price is a cost, and a number of ratings counts them.
_OTHER_THING = r"(?<!purchase )(?<!number of )"
_UNITS = re.compile(
    r"\b(?:units?|pieces?) sold\b|(?<!of )(?<!all )\bitems? sold\b(?! by)|\bquantity (?:sold|ordered)\b"
    r"|\bsold (?:units|pieces|items|quantity)\b|\bnumber of items (?:ordered|sold)\b|\bsales in units\b"
    r"|\btotal quantity\b(?! (?:of|in|on)(?: \w+)? (?:stock|hand))"
)
"""What says the quantity of order items, and nothing of what is in stock."""
# What customers paid, not an order's status.
_PAID_SOMETHING = re.compile(r"\bpaid (?:the (?:most|least)|shipping)\b")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_BEGINNING = 2
"""As many first letters a value shares with its adjective, or with a slip of the hand."""
_PART = 4
"""As many letters at least has a text that is a part of a value: tent of tents."""
# A people that is called nothing like its country.
_PEOPLES = {"dutch": "netherlands"}
_FOUND = re.compile(r" (?:=|LIKE) '%?((?:[^'%]|'')*)%?'")


def unused_columns(reading: Reading) -> Iterator[str]:
    """Look for columns that are named and missing."""
    schema = reading.schema
    used = {column.name.casefold() for column in reading.root.find_all(exp.Column)}
    names = {
        column.name.casefold()
        for table in schema.tables
        for column in table.columns
        if column.name not in table.key_columns
    }
    for name in sorted(names - _VAGUE - used):
        if _named(name).search(reading.text):
            yield f"{name} is named and not used"
    if "quantity" in names - used and _UNITS.search(reading.text):
        yield "quantity is named and not used"


def other_order(reading: Reading) -> Iterator[str]:
    """Look for columns that are shown in another order than they are named, each once."""
    places = []
    for shown in reading.root.expressions:
        if isinstance(shown, exp.Column) and shown.name not in _VAGUE - {"cost", "name"}:
            found = [match.start() for match in _named(shown.name.casefold()).finditer(reading.text)]
            places += [(found[0], shown.name)] if len(found) == 1 else []
    for (place, name), (next_place, next_name) in pairwise(places):
        if next_place < place:
            yield f"{next_name} is named before {name}"


def _named(column: str) -> re.Pattern[str]:
    """Return what finds a column's name, in the singular and the plural."""
    words = re.escape(column.replace("_", " "))
    forms = [words, f"{words}s", f"{words}es", *([f"{words[:-1]}ies"] if words.endswith("y") else [])]
    return re.compile(rf"{_OTHER_THING}\b(?:{'|'.join(forms)})\b")


def unsaid_texts(reading: Reading) -> Iterator[str]:
    """Look for texts that nothing in the question is like, and that were not found."""
    said = _LETTERS.findall(reading.text)
    said += [_PEOPLES[word] for word in said if word in _PEOPLES]
    begun = {word[:_BEGINNING] for word in said}
    for node in reading.root.find_all(exp.Literal):
        words = _LETTERS.findall(node.this.casefold()) if node.is_string else []
        unlike = words and begun.isdisjoint(word[:_BEGINNING] for word in words)
        if unlike and node.this not in reading.topic.evidence:
            yield f"{node.this} is not named"
        if node.this == "paid" and _PAID_SOMETHING.search(reading.text) and reading.text.count("paid") == 1:
            yield "paid is not named"


def unused_choices(reading: Reading) -> Iterator[str]:
    """Look for values of columns with few of them that are named and missing.

    Words of tables and columns say other things, too: shipped_on.
    """
    tables = reading.schema.tables
    names = [name for table in tables for name in (table.name, *(column.name for column in table.columns))]
    vague = {word for name in names for word in name.casefold().split("_")}
    for column in (column for table in tables for column in table.columns):
        for choice in column.choices:
            value = str(choice).casefold()
            after = rf"\b{re.escape(column.name.replace('_', ' '))} (?:is |was |of )?{re.escape(value)}\b"
            said: re.Match[str] | bool | None = re.search(after, reading.text)
            if value in COMMON:
                said = said or plainly(reading.text, value)
            elif value not in vague:
                said = said or re.search(rf"(?<!\w){re.escape(value)}(?!\w)", reading.text)
            if said and not _uses(reading, value):
                yield f"{choice} is named and not used"


def unused_findings(reading: Reading) -> Iterator[str]:
    """Look for what retrieval found, the question names, and the statement lacks; choices apart."""
    columns = (column for table in reading.schema.tables for column in table.columns)
    choices = {str(choice).casefold() for column in columns for choice in column.choices}
    for found in _FOUND.findall(reading.topic.evidence):
        name = found.replace("''", "'")
        value = name.casefold()
        if value in COMMON or value in choices or _uses(reading, value):
            continue
        if reading.names(value):
            yield f"{name} is named and not used"


def _uses(reading: Reading, value: str) -> bool:
    """Return whether the statement has ``value``, as a part of a text or with such a part: tent of tents."""
    return any(value in text or (len(text) >= _PART and text in value) for text in reading.texts)
