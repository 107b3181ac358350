"""Which dates SQL may compare with: any, and those that a column has.

Dates are ISO texts.  A tiny model puts a month where only a year was said.
"""

from __future__ import annotations

import calendar
import re

from plugins.text2sql.databases.schema import Column
from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.demo.grammar.numbers import COMPARISON, DIGIT
from plugins.text2sql.demo.grammar.texts import MAX_VALUE_CHARACTERS
from plugins.text2sql.demo.grammar.tree import Node, Rule, alt, optional, seq

_YEAR = Rule("year", seq(alt("19", "20"), DIGIT, DIGIT))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_DAY = alt(*(f"{day:02}" for day in range(1, 32)))
_DATE = Rule("date", seq("'", _YEAR, "-", _MONTH, "-", _DAY, "'"))
_NAMES = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in calendar.month_name[1:]).casefold()
# A month as such, not that of a day: March 2024 and 2024-03, but neither 5 March 2024 nor March 5, 2024.
_MONTH_SAID = re.compile(
    rf"(?<!\d )(?<!\dth )(?<!\dth of )\b(?:{_NAMES}|months?|monthly)\b(?! \d\d?(?:th)?\b)"
    r"|\b(?:19|20)\d\d-\d\d(?!-?\d)"
)


def names_month(question: str) -> bool:
    """Return whether ``question`` speaks of a whole month."""
    return _MONTH_SAID.search(question.casefold()) is not None


def date_tests(column: Column, months: bool) -> list[Node]:
    """Return what may stand behind ``column``, a date; a whole month only with ``months``."""
    values = [literal(v) for v in column.samples if len(str(v)) <= MAX_VALUE_CHARACTERS]
    month = optional(seq("-", _MONTH)) if months else ""
    return [
        seq(COMPARISON, alt(*values, _DATE)),
        seq(" BETWEEN ", _DATE, " AND ", _DATE),
        seq(" LIKE '", _YEAR, month, "%'"),
    ]
