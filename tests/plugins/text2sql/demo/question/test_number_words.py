"""Numbers as a question writes them, and as SQL does."""

from __future__ import annotations

import pytest

from plugins.text2sql.demo.question.number_words import plain


@pytest.mark.parametrize(
    ("number", "sql"), [("1,500", "1500"), ("1,500.50", "1500.5"), ("9,99", "9.99"), ("7.0", "7")]
)
def test_numbers_are_written_as_in_sql(number: str, sql: str) -> None:
    """A comma stands before thousands or decimals."""
    assert plain(number) == sql
