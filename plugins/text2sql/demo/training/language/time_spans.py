"""Spans of time as a question names them and as SQL writes them: for ISO dates that are text."""

from __future__ import annotations

import calendar
import random

from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.literals import Said

_MONTHS = tuple(calendar.month_name)[1:]
_IN_YEAR = (
    "(in|in|in|in|in|during|in the year|over the course of|for|for the year|throughout|within|back in|year||)"
)
_ONLY = ("",) * 24 + (" only", " alone")


def said_date(column: str, rng: random.Random) -> Said:
    """Return a span of time: a year, a month, a quarter, a day, a limit or a range."""
    first, last = (2018, 2021) if column.startswith(("products", "suppliers")) else (2022, 2024)
    if column == "suppliers.partner_since":
        first = 2012
    year, month = rng.randint(first, last), rng.randint(1, 12)
    kinds = (_in_year, _in_month, _after, _before, _span, _quarter, _day, _relative)
    weights = (30, 20, 14, 12, 10, 5, 4, 5 if last == 2024 else 0)
    text, sql = rng.choices(kinds, weights)[0](year, month, rng)
    return Said(text, sql)


def _month(month: int, rng: random.Random) -> str:
    name = _MONTHS[month - 1]
    return name[:3] if rng.random() < 0.15 else name


def _last_day(year: int, month: int) -> str:
    return f"{year}-{month:02}-{calendar.monthrange(year, month)[1]:02}"


def _in_year(year: int, _: int, rng: random.Random) -> tuple[str, str]:
    return f"{expand(_IN_YEAR, rng)} {year}".strip() + rng.choice(_ONLY), f" LIKE '{year}%'"


def _in_month(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    said = expand(f"(in|in|in|during|in the month of|for|) {_month(month, rng)} [of] {year}", rng)
    return said, f" LIKE '{year}-{month:02}%'"


def _some_day(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    """Return a day as it is said, and as it is stored."""
    day = rng.randint(1, 28)
    iso, name = f"{year}-{month:02}-{day:02}", _MONTHS[month - 1]
    said = (
        f"({iso}|{iso}|{day} {name} {year}|{name} {day}, {year}|{name} {day} {year}|{day}th of {name} {year})"
    )
    return expand(said, rng), iso


def _after(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.12:
        said, iso = _some_day(year, month, rng)
        word, sign = rng.choice((("after", ">"), ("since", ">="), ("from", ">="), ("later than", ">")))
        return f"{word} {said}{' on' if word == 'from' else ''}", f" {sign} '{iso}'"
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            return expand(f"(since {year}|from {year} on|starting [in] {year})", rng), f" >= '{year}-01-01'"
        return expand(f"(after|later than) {year}", rng), f" > '{year}-12-31'"
    if rng.random() < 0.5:
        return f"since {_month(month, rng)} {year}", f" >= '{year}-{month:02}-01'"
    return f"after {_month(month, rng)} {year}", f" > '{_last_day(year, month)}'"


def _before(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.12:
        said, iso = _some_day(year, month, rng)
        word, sign = rng.choice((("before", "<"), ("until", "<="), ("up to", "<="), ("earlier than", "<")))
        return f"{word} {said}", f" {sign} '{iso}'"
    if rng.random() < 0.12:
        return expand(f"(until|up to|through|until the end of) {year}", rng), f" <= '{year}-12-31'"
    if rng.random() < 0.6:
        return expand(f"(before|before|earlier than|prior to) {year}", rng), f" < '{year}-01-01'"
    said = expand(f"(before|prior to|earlier than) {_month(month, rng)} {year}", rng)
    return said, f" < '{year}-{month:02}-01'"


def _span(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        other = year + rng.randint(1, 2)
        both = f"|in {year} and {other}" if other == year + 1 else ""
        said = expand(
            f"(between {year} and {other}|from {year} to {other}|from {year} until {other}{both})", rng
        )
        return said, f" BETWEEN '{year}-01-01' AND '{other}-12-31'"
    if rng.random() < 0.12:
        (first, since), (last, until) = (_some_day(year, m, rng) for m in sorted(rng.sample(range(1, 13), 2)))
        said = rng.choice((f"between {first} and {last}", f"from {first} to {last}"))
        return said, f" BETWEEN '{since}' AND '{until}'"
    start = rng.randint(1, 11)
    end = rng.randint(start + 1, 12)
    one, two = _month(start, rng), _month(end, rng)
    said = expand(f"(between {one} and {two} {year}|from {one} to {two} {year}|{one} to {two} {year})", rng)
    return said, f" BETWEEN '{year}-{start:02}-01' AND '{_last_day(year, end)}'"


def _quarter(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.4:
        half = 1 if month <= 6 else 2
        name = ("first", "second")[half - 1]
        end = _last_day(year, half * 6)
        return f"in the {name} half of {year}", f" BETWEEN '{year}-{half * 6 - 5:02}-01' AND '{end}'"
    quarter = (month + 2) // 3
    name = ("first", "second", "third", "fourth")[quarter - 1]
    said = expand(f"(in Q{quarter} {year}|in the {name} quarter of {year}|in Q{quarter} of {year})", rng)
    return said, f" BETWEEN '{year}-{quarter * 3 - 2:02}-01' AND '{_last_day(year, quarter * 3)}'"


def _day(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    said, iso = _some_day(year, month, rng)
    return f"on {said}", f" = '{iso}'"


def _relative(year: int, month: int, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.7:
        return rng.choice(("last year", "this year", "in the last year")), " LIKE '2024%'"
    return rng.choice(("last month", "this month", "in the last month")), " LIKE '2024-12%'"
