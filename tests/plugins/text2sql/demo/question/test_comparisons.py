"""How a question says which way a number is compared."""

from __future__ import annotations

import pytest

from plugins.text2sql.demo.question.comparisons import compared, plain, spelt


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("more than 5", {"5": ">"}),
        ("no more than 5", {"5": "<="}),
        ("not less than five", {"5": ">="}),
        ("over €1,250.50 but at most 2000", {"1250.5": ">", "2000": "<="}),
        ("a minimum of 3 stars", {"3": ">="}),
        (">= 4", {"4": ">="}),
        ("> 4 and <7", {"4": ">", "7": "<"}),
        ("3 or better", {"3": ">="}),
        ("exactly 3", {"3": "="}),
        ("more than 5 or less than 5", {}),
        ("over 50, but at most 2000", {"50": ">", "2000": "<="}),
        ("5 orders, <> 5, more than average, over all 5", {}),
        ("20 euros or more", {"20": ">="}),
        ("5 or more than 3", {"3": ">"}),
        ("less than 5 or more than 10", {"5": "<", "10": ">"}),
        ("not over 50", {}),
        ("doesn't cost more than 50", {}),
        ("neither over 50 nor under 20", {}),
        ("without at least 2 orders", {}),
        ("anything but over 50", {}),
        ("a phone or more", {}),
        ("q2 or better", {}),
    ],
)
def test_the_sign_is_known_where_it_is_said(text: str, found: dict[str, str]) -> None:
    """A number that is compared in two ways may be meant in each; what is negated isn't worked out."""
    signs: dict[str, list[str]] = {}
    for sign in (">", ">=", "<", "<=", "="):
        for number in compared(text, [sign]):
            signs.setdefault(number, []).append(sign)
    assert {number: of[0] for number, of in signs.items() if len(of) == 1} == found


@pytest.mark.parametrize(
    ("number", "sql"), [("1,500", "1500"), ("1,500.50", "1500.5"), ("9,99", "9.99"), ("7.0", "7")]
)
def test_numbers_are_written_as_in_sql(number: str, sql: str) -> None:
    """A comma stands before thousands or decimals."""
    assert plain(number) == sql


def test_a_number_may_be_a_word() -> None:
    """As SQL writes it, it is digits."""
    assert spelt("2") == "2|two|twice|couple|pair"
    assert spelt("9.5") == r"9\.5"
