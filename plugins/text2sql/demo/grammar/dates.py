"""Which dates SQL may compare with: any, and those that a column has.

Dates are ISO texts.
"""

from __future__ import annotations

from plugins.text2sql.databases.schema import Column
from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.demo.grammar.numbers import COMPARISON, DIGIT
from plugins.text2sql.demo.grammar.texts import MAX_VALUE_CHARACTERS
from plugins.text2sql.demo.grammar.tree import Node, Rule, alt, optional, seq

_YEAR = Rule("year", seq(alt("19", "20"), DIGIT, DIGIT))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_DAY = alt(*(f"{day:02}" for day in range(1, 32)))
_DATE = Rule("date", seq("'", _YEAR, "-", _MONTH, "-", _DAY, "'"))


def date_tests(column: Column) -> list[Node]:
    """Return what may stand behind ``column``, a date."""
    values = [literal(v) for v in column.samples if len(str(v)) <= MAX_VALUE_CHARACTERS]
    month = optional(seq("-", _MONTH))
    return [
        seq(COMPARISON, alt(*values, _DATE)),
        seq(" BETWEEN ", _DATE, " AND ", _DATE),
        seq(" LIKE '", _YEAR, month, "%'"),
    ]
