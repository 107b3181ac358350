"""Which dates SQL may compare with: any, or what is known about one question.

Dates are ISO texts.  A tiny model mixes up months, and puts years where none was said.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from plugins.text2sql.databases.schema import Column
from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.demo.grammar.numbers import COMPARISON, DIGIT
from plugins.text2sql.demo.grammar.texts import MAX_VALUE_CHARACTERS
from plugins.text2sql.demo.grammar.tree import Node, Rule, alt, optional, seq
from plugins.text2sql.demo.question.slips import corrected, slips

_YEAR = Rule("year", seq(alt("19", "20"), DIGIT, DIGIT))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_DAY = alt(*(f"{day:02}" for day in range(1, 32)))
_DATE = Rule("date", seq("'", _YEAR, "-", _MONTH, "-", _DAY, "'"))
_MOST_SPANS = 8
_MOST_NEEDED = 2

_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_NAMES = {name.casefold(): (n, n) for n, name in enumerate(calendar.month_name) if name}
# First and last month of what a word or sign names.
_PARTS = {
    **_NAMES,
    **{name[:3]: months for name, months in _NAMES.items()},
    "sept": (9, 9),
    **{f"q{n}": (3 * n - 2, 3 * n) for n in range(1, 5)},
    **{f"h{n}": (6 * n - 5, 6 * n) for n in range(1, 3)},
}
_SPELT = slips((*_NAMES, *(word for word in _ORDINALS if word.isalpha()), "quarter", "month"))
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)}) (quarter|half)\b")
# 3rd of March, or after 3 March: a day for sure, as in March 3.
_DAY_BEFORE = re.compile(
    r"\b(?:(?P<word>(?:on|after|before|since|until|till|from|to|between|and|than|by) )(?P<plain>\d\d?)"
    rf"|(?P<day>\d\d?)(?:(?:st|nd|rd|th)(?: of)?| of)) (?P<month>{'|'.join(_PARTS)})\b"
)
_SHORT_YEAR = re.compile(r"'(\d\d)\b")
_TOKEN = re.compile(r"\d{4}-\d\d-\d\d|\d{4}-\d\d(?!\d)|[qh][1-4]\b|\d+|[^\W\d_]+")
_LEADS = (
    "in during since after before until through year course starting joined signed registered placed ordered"
    " made shipped sent delivered launched released written"
)
_BEFORE = frozenset(_LEADS.split())
"""Words before a year that is no number."""
_LINKS = frozenset(("of", "st", "nd", "rd", "th"))
"""What may stand between a day, its month and its year."""
# What is said of the calendar by today's date, or in a way that isn't worked out.
_OTHER = re.compile(
    r"\b(?:last|this|past|next|previous|current|recent|coming|few)\b[^.]{0,12}\b(?:year|month|week|day)"
    r"|\d (?:year|month|week|day)"
    r"|\b(?:quarter|half|ago|yesterday|recently|lately|decade|season|spring|summer|autumn|winter|christmas)\b"
    r"|\d[./]\d{1,2}[./]\d|\b\d{1,2}/(?:19|20)\d\d"
)


@dataclass(frozen=True, slots=True)
class Span:
    """The days from ``first`` to ``last``; ``start`` is what all of them begin with, if it tells them."""

    first: str
    last: str
    start: str = ""


@dataclass(frozen=True, slots=True)
class Dates:
    """What dates may be compared with: any by default.

    ``stated``: with the spans of time that a question names, in ``test``; ``None`` where it names none.
    Those of ``needed`` must be used in one of the ``ways``, as their places.
    """

    test: Node | None = None
    needed: Sequence[Node] = ()
    ways: Sequence[Sequence[int]] = ((),)
    stated: bool = False

    def tests(self, column: Column) -> list[Node]:
        """Return what may stand behind ``column``."""
        if self.stated:
            return [self.test] if self.test is not None else []
        values = [literal(v) for v in column.samples if len(str(v)) <= MAX_VALUE_CHARACTERS]
        month = optional(seq("-", _MONTH))
        return [
            seq(COMPARISON, alt(*values, _DATE)),
            seq(" BETWEEN ", _DATE, " AND ", _DATE),
            seq(" LIKE '", _YEAR, month, "%'"),
        ]


def dates_about(question: str) -> Dates:
    """Return the dates that may occur in SQL about ``question``.

    They are any where it speaks of last year, of a month without a year, or of too many spans.
    """
    text = corrected(_SHORT_YEAR.sub(r"20\1", question.casefold()), _SPELT)
    text = _ORDINAL.sub(lambda match: f"{match[2][0]}{_ORDINALS[match[1]]}", text)
    text = _DAY_BEFORE.sub(
        lambda match: f"{match['word'] or ''}{match['month']} {match['plain'] or match['day']}", text
    )
    if _OTHER.search(text):
        return Dates()
    tokens = [token for token in _TOKEN.findall(text) if token not in _LINKS]
    years = [token for token in tokens if _is_year(token)]
    if not years and any(token in _PARTS for token in tokens):
        return Dates()
    named = {place: tuple(_spans(tokens, place, years)) for place in range(len(tokens))}
    spans = list(dict.fromkeys(span for named_here in named.values() for span in named_here))
    if len(spans) > _MOST_SPANS:
        return Dates()
    sure = list(dict.fromkeys(named[place] for place in named if named[place] and _is_sure(tokens, place)))
    return _stated(spans, sure if len(sure) <= _MOST_NEEDED else ())


def _stated(spans: Sequence[Span], sure: Sequence[Sequence[Span]]) -> Dates:
    """Return what the ``spans`` allow; each group of ``sure`` ones must be used, two maybe as a range."""
    if not spans:
        return Dates(stated=True)
    needed = [
        _rule(f"needed_date{number}", group, [*product(group, spans), *product(spans, group)])
        for number, group in enumerate(sure)
    ]
    ways = [tuple(range(len(needed)))]
    if len(sure) == _MOST_NEEDED:
        ways.append((len(needed),))
        first, second = sure
        needed.append(_rule("needed_range", (), [*product(first, second), *product(second, first)]))
    test = _rule("stated_date", spans, list(product(spans, spans)))
    return Dates(test, needed, ways, stated=True)


def _rule(name: str, spans: Sequence[Span], pairs: Sequence[tuple[Span, Span]]) -> Node:
    """Return the comparisons with ``spans``, and the ranges from one of a pair to the other."""
    alone = [option for span in spans for option in _compared(span)]
    ranges = [f" BETWEEN '{one.first}' AND '{two.last}'" for one, two in pairs if one.first < two.last]
    return Rule(name, alt(*dict.fromkeys((*alone, *ranges))))


def _spans(tokens: Sequence[str], place: int, years: Sequence[str]) -> Iterator[Span]:
    """Yield what the token at ``place`` names."""
    token = tokens[place]
    if token in _PARTS:
        of, days = _around(tokens, place, years)
        if not _has_day(tokens, place):
            yield from (_months(year, *_PARTS[token]) for year in of)
        for year, day in product(of, days):
            iso = f"{year}-{_PARTS[token][0]:02}-{int(day):02}"
            yield Span(iso, iso)
    elif _is_year(token) and not _belongs(tokens, place):
        yield Span(f"{token}-01-01", f"{token}-12-31", token)
    elif re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])", token):
        yield _months(token[:4], int(token[5:]), int(token[5:]))
    elif re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])-\d\d", token):
        yield Span(token, token)


def _around(tokens: Sequence[str], place: int, years: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the years that the month at ``place`` may be of, and the days of it that may be meant."""
    before, after = tokens[max(0, place - 1) : place], tokens[place + 1 : place + 3]
    if _has_day(tokens, place):
        return after[1:], after[:1]
    days = [token for token in (*before, *after[:1]) if _is_day(token)]
    near = after[1:] if after and _is_day(after[0]) else after[:1]
    return ([token for token in near if _is_year(token)] or years), days


def _has_day(tokens: Sequence[str], place: int) -> bool:
    """Return whether a day and a year follow the month at ``place``, as in March 3, 2024."""
    after = tokens[place + 1 : place + 3]
    return len(after) > 1 and _is_day(after[0]) and _is_year(after[1])


def _is_sure(tokens: Sequence[str], place: int) -> bool:
    """Return whether the token at ``place`` can't mean anything else than a time."""
    token, before = tokens[place], tokens[place - 1] if place else ""
    if token in _PARTS:
        return any(
            _belongs(tokens, year)
            for year in (place + 1, place + 2)
            if year < len(tokens) and _is_year(tokens[year])
        )
    return "-" in token or before in _BEFORE


def _months(year: str, first: int, last: int) -> Span:
    end = calendar.monthrange(int(year), last)[1]
    start = f"{year}-{first:02}"
    return Span(f"{start}-01", f"{year}-{last:02}-{end}", start if first == last else "")


def _compared(span: Span) -> list[str]:
    """Return the comparisons that a span is meant by."""
    if span.first == span.last:
        return [f" {sign} '{span.first}'" for sign in ("=", "<", "<=", ">", ">=")]
    starts = [f" LIKE '{span.start}%'"] if span.start else []
    return [*starts, f" >= '{span.first}'", f" < '{span.first}'", f" > '{span.last}'", f" <= '{span.last}'"]


def _belongs(tokens: Sequence[str], place: int) -> bool:
    """Return whether the year at ``place`` is that of the month before it."""
    before = tokens[max(0, place - 2) : place]
    return bool(before) and (before[-1] in _PARTS or (before[0] in _PARTS and _is_day(before[-1])))


def _is_year(token: str) -> bool:
    return re.fullmatch(r"(?:19|20)\d\d", token) is not None


def _is_day(token: str) -> bool:
    return token.isdigit() and len(token) <= 2 and 0 < int(token) <= 31
