"""Random statements, made of the attacks and of what hides one: nesting, comments, quotes, case, Unicode."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from tests.plugins.text2sql.databases.attacks import DUCKDB, listed
from tests.plugins.text2sql.databases.sqlite_attacks import SQLITE

LONGEST = 4_000
"""Characters of a statement; a longer one is cut, which makes one more kind of them."""

ATTACKS = {
    kind: sorted({statement for *_, statement in listed({kind: attacks}) if len(statement) < 400})
    for kind, attacks in (("sqlite", SQLITE), ("duckdb", DUCKDB))
}
_PLAIN = (
    *("SELECT 1", "SELECT count(*) FROM orders", "SELECT name FROM customers WHERE city = 'a;b'"),
    "WITH x AS (SELECT id FROM orders) SELECT max(id) FROM x",
    "SELECT 1 UNION ALL SELECT id FROM reviews",
)
_OF_DUCKDB = (
    *("FROM orders", "TABLE orders", "VALUES (1)", "FROM orders SELECT id", "SHOW", "DESC"),
    *("PIVOT orders ON status", "PIVOT orders ON status IN ('a') USING sum(total) GROUP BY customer_id"),
    *("DESCRIBE orders", "UNPIVOT orders ON id, total"),
    *("SUMMARIZE orders", "SHOW ALL TABLES", "FROM 'orders.csv'", "SELECT #1"),
    *("FROM orders PIVOT (sum(total) FOR status IN ('a'))", "FROM orders UNPIVOT (v FOR k IN (id, total))"),
    *("SELECT min(COLUMNS(*)) FROM orders", "FROM orders POSITIONAL JOIN reviews", "SELECT [x FOR x IN [1]]"),
    *("SELECT list_transform([1], lambda x: x)", "SELECT 'a'.upper()", "FROM range(3)", "FROM glob('*')"),
)
_BETWEEN = (
    *("; ", " ", "\n", " UNION ALL ", " UNION ", ", ", ") ; (", " -- \n", " /* */ ", "';", '";', " AS a; "),
    *(
        "\x00",
        "\r",
        "\x0b",
        "\xa0",
        "\u2028",
        "\ufeff",
        "\uff1b",
        "\u037e",
        "--",
        "/*",
        "*/",
        "'",
        '"',
        "`",
        "$$",
    ),
)
_AROUND = (
    *("({})", "SELECT * FROM ({}) AS o", "SELECT ({})", "SELECT 1 WHERE EXISTS ({})", "SELECT 1 IN ({})"),
    *("WITH w AS ({}) SELECT * FROM w", "WITH w AS MATERIALIZED ({}) SELECT 1 FROM w", "SELECT 1 UNION {}"),
    *("SELECT CASE WHEN ({}) THEN 1 END", "SELECT 1 LIMIT ({})", "SELECT 1 ORDER BY ({})", "{};", ";{}"),
    *("/* a */ {}", "-- a\n{}", "/*! {} */", "EXPLAIN {}", "SELECT '{}'", 'SELECT "{}"', "{} --", "{} /*"),
    *(
        "SELECT STRUCT({})",
        "SELECT UNION({})",
        "SELECT CAST(({}) AS TEXT)",
        "SELECT f(({}))",
        "VALUES (({}))",
    ),
)
_AROUND_DUCKDB = (
    *("PIVOT ({}) ON id", "PIVOT ({}) ON id IN (1)", "FROM ({}) PIVOT (count(*) FOR id IN (1))"),
    *("UNPIVOT ({}) ON COLUMNS(*)", "FROM (PIVOT ({}) ON id)", "WITH p AS (PIVOT ({}) ON id) FROM p"),
    *("SUMMARIZE {}", "FROM (SUMMARIZE {})", "DESC {}", "FROM (DESC {})", "FROM ({})", "FROM ({}) SELECT 1"),
    *("PIVOT orders ON ({})", "PIVOT orders ON id IN ({})", "SELECT COLUMNS(lambda c: ({}))", "TABLE ({})"),
    *("SELECT [({}) FOR x IN [1]]", "FROM query({})", "FROM ({}) POSITIONAL JOIN orders", "SHOW {}"),
)
PIECES = {"sqlite": _PLAIN, "duckdb": _PLAIN + _OF_DUCKDB}
AROUND = {"sqlite": _AROUND, "duckdb": _AROUND + _AROUND_DUCKDB}


def _upper(text: str) -> str:
    return text.upper()


def _mixed(text: str) -> str:
    return "".join(c.upper() if place % 2 else c.lower() for place, c in enumerate(text))


def _commented(text: str) -> str:
    return text.replace(" ", "/**/")


def _lines(text: str) -> str:
    return text.replace(" ", " --;\n")


def _wide(text: str) -> str:
    """Return ``text`` with letters of double width, which NFKC makes those of SQL."""
    return "".join(chr(ord(c) + 0xFEE0) if "a" <= c.lower() <= "z" else c for c in text)


def _spaces(text: str) -> str:
    return text.replace(" ", "\xa0")


def _doubled(text: str) -> str:
    return text.replace("'", "''")


_CHANGES: tuple[Callable[[str], str], ...] = (_upper, _mixed, _commented, _lines, _wide, _spaces, _doubled)


@st.composite
def statements(draw: st.DrawFn, kind: str) -> str:
    """Return a statement for a ``kind`` of database: two pieces put together, changed and nested."""
    piece = st.sampled_from(ATTACKS[kind]) | st.sampled_from(PIECES[kind])
    text = draw(piece)
    for step in draw(
        st.lists(st.sampled_from(("join", "around", "deep", "change", "put", "cut")), max_size=4)
    ):
        if step == "join":
            pair = [text, draw(piece)]
            text = draw(st.sampled_from(_BETWEEN)).join(pair if draw(st.booleans()) else pair[::-1])
        elif step == "around":
            text = draw(st.sampled_from(AROUND[kind])).replace("{}", text)
        elif step == "deep":
            around = draw(st.sampled_from(AROUND[kind]))
            for _ in range(draw(st.integers(2, 60))):
                text = around.replace("{}", text)[:LONGEST]
        elif step == "change":
            text = draw(st.sampled_from(_CHANGES))(text)
        else:
            at = draw(st.integers(0, len(text)))
            text = text[:at] + (draw(st.sampled_from(_BETWEEN)) + text[at:] if step == "put" else "")
        text = text[:LONGEST]
    return text
