"""A name that is no table or column is an error that names the near ones; whatever is right still runs."""

# ruff: noqa: E501 (a statement stays on its line)
from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.double_quotes import with_backquotes
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.demo.grammar.statements import sql_tree
from tests.plugins.text2sql.databases.awkward import MIXED, TRADE, UNICODE, made
from tests.plugins.text2sql.databases.running_statements import AMPLE
from tests.plugins.text2sql.demo.grammar.grammar_machine import sample

RIGHT = [
    'SELECT "CompanyName" FROM "Customers"',
    'SELECT "companyname" FROM "CUSTOMERS"',
    "SELECT CompanyName FROM customers",
    "SELECT [Contact Name], `Country` FROM [Customers]",
    'SELECT c."Contact Name" FROM Customers AS c',
    'SELECT "c"."Contact Name" FROM Customers "c"',
    'SELECT "Customers"."Country" FROM Customers',
    'SELECT main."Customers"."Country" FROM main."Customers"',
    'SELECT avg("UnitPrice") FROM "Order Details"',
    'SELECT sum("UnitPrice" * "Quantity") AS "the total" FROM "Order Details" ORDER BY "the total"',
    'SELECT "Country" AS "Land", count(*) AS n FROM Customers GROUP BY "Land" HAVING "n" > 0',
    'SELECT "Country" AS land FROM Customers ORDER BY "LAND" DESC',
    'SELECT "Country" FROM Customers WHERE "Country" = \'Germany\'',
    "SELECT 'a \"quoted\" text' FROM Customers",
    "SELECT 'it''s \"x\"', \"Ship's Name\" FROM \"Order\"",
    'SELECT "a""b" FROM "Order"',
    'SELECT "c`d" FROM "Order"',
    'SELECT "e]f" FROM "Order"',
    'SELECT `c``d` FROM "Order"',
    'SELECT "select", "Group" FROM "Order"',
    'SELECT "Index", "Values", "update" FROM "Table"',
    'SELECT 1 -- a "comment"\nFROM Customers',
    'SELECT /* "none" */ 1 FROM Customers',
    'SELECT "rowid", rowid, oid, _rowid_ FROM Customers',
    'SELECT "Customers".rowid FROM Customers',
    'SELECT * FROM Customers JOIN "Order" USING ("CustomerID")',
    'SELECT "CustomerID" FROM Customers JOIN "Order" USING (CustomerID)',
    'SELECT * FROM Customers NATURAL JOIN "Order"',
    'SELECT c.*, o.* FROM Customers c LEFT JOIN "Order" o ON o."CustomerID" = c."CustomerID"',
    'SELECT * FROM Customers c, "Order" o WHERE c."CustomerID" = o."CustomerID"',
    'SELECT n FROM "Sales by Country"',
    'SELECT s."Country", s."n" FROM "Sales by Country" AS s',
    'WITH "big ones" AS (SELECT "Country" AS "the land" FROM Customers) SELECT "the land" FROM "big ones"',
    'WITH x("one", two) AS (SELECT 1, 2) SELECT "one", "two" FROM x',
    'WITH x AS (SELECT * FROM Customers) SELECT "Contact Name" FROM x',
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT \"i\" FROM n",
    'WITH Customers AS (SELECT 1 AS mine) SELECT "mine" FROM Customers',
    'SELECT "x" FROM (SELECT "Country" AS "x" FROM Customers)',
    'SELECT q."x" FROM (SELECT "Country" AS "x" FROM Customers) AS q',
    'SELECT "Country" FROM Customers UNION SELECT "Group" FROM "Order" ORDER BY "Country"',
    'SELECT 1 AS "a" UNION ALL SELECT 2 ORDER BY "a"',
    'SELECT "Country" FROM Customers c WHERE EXISTS '
    '(SELECT 1 FROM "Order" WHERE "Order"."CustomerID" = c."CustomerID")',
    'SELECT (SELECT max("OrderID") FROM "Order" o WHERE o."CustomerID" = "Customers"."CustomerID") FROM Customers',
    'SELECT "Country" FROM Customers WHERE "CustomerID" IN (SELECT "CustomerID" FROM "Order")',
    'WITH one(x) AS (SELECT 1) SELECT "OrderID" FROM "Order" WHERE "OrderID" IN "one"',
    'SELECT "value" FROM json_each(\'[1, 2]\')',
    'SELECT j."key", "j"."value" FROM json_each(\'{"a": 1}\') AS j',
    "SELECT json_extract('{\"a\": 1}', '$.\"a\"')",
    'SELECT count(DISTINCT "Country"), "count"(*) FROM Customers',
    'SELECT rank() OVER (PARTITION BY "Country" ORDER BY "CompanyName") AS "rank" FROM Customers ORDER BY "rank"',
    'SELECT sum("Quantity") OVER "w" FROM "Order Details" WINDOW "w" AS (ORDER BY "OrderID")',
    'SELECT "Country" COLLATE "NOCASE" FROM Customers ORDER BY "Country" COLLATE NOCASE',
    'SELECT CAST("UnitPrice" AS "TEXT") FROM "Order Details"',
    'SELECT CASE WHEN "Country" = \'Germany\' THEN "CompanyName" ELSE "Contact Name" END FROM Customers',
    'SELECT "CompanyName" FROM Customers WHERE "CompanyName" NOT LIKE \'%"%\' ESCAPE \'\\\'',
    'SELECT o1."OrderID" FROM "Order" o1 JOIN "Order" o2 ON o1."OrderID" < o2."OrderID"',
    'SELECT count(*) FILTER (WHERE "Country" = \'Germany\') FROM Customers',
    'SELECT "Order Date" FROM "Order" WHERE strftime(\'%Y\', "Order Date") = \'2024\'',
    'SELECT max("OrderID") AS "Order" FROM "Order"',
    'SELECT "Country" "n" FROM Customers GROUP BY 1 ORDER BY 1',
    'SELECT * FROM (VALUES (1, 2)) AS v',
    'SELECT "column1" FROM (VALUES (1, 2))',
    'SELECT DISTINCT "Group" FROM "Order" LIMIT 1 OFFSET 0',
    'SELECT "编号", "姓名" FROM "客户"',
    'SELECT "straße", "emoji😀", "naïve col" FROM "Größe" WHERE "Ñandú" = \'ñ\'',
    'SELECT "total", "label" FROM gen',
    'SELECT "" FROM odd',
    "SELECT true, \"Country\" FROM Customers WHERE NOT false",
    'SELECT "Country" FROM Customers WHERE ("CustomerID", "Country") = (\'C1\', \'Germany\')',
    'SELECT group_concat("CompanyName", \'; "\') FROM Customers',
    "SELECT date('now', '-1 day') > '2000', CURRENT_DATE",
    'SELECT "t"."x" + "u"."x" FROM (SELECT 1 AS x) AS t CROSS JOIN (SELECT 2 AS x) AS u',
]  # fmt: skip

WRONG = [
    ('SELECT avg("Unit Price") FROM "Order Details"',
     'no such column: Unit Price in "Order Details"; near: "UnitPrice"'),
    ('SELECT "CompanyNam" FROM "Customers"', 'no such column: CompanyNam in "Customers"; near: "CompanyName"'),
    ("SELECT CompanyNam FROM Customers", 'no such column: CompanyNam in "Customers"; near: "CompanyName"'),
    ("SELECT company_name FROM Customers", 'no such column: company_name in "Customers"; near: "CompanyName"'),
    ("SELECT contactname FROM Customers", 'no such column: contactname in "Customers"; near: "Contact Name"'),
    ('SELECT c."Contry" FROM Customers c', 'no such column: c.Contry in "Customers"; near: "Country"'),
    ('SELECT "Customers"."Contry" FROM Customers',
     'no such column: Customers.Contry in "Customers"; near: "Country"'),
    ('SELECT x."Country" FROM Customers c', "no such column: x.Country"),
    ('SELECT "Country" FROM "Order"',
     'no such column: Country in "Order"; near: "Customers"."Country", "Sales by Country"."Country"'),
    ('SELECT o."UnitPrice" FROM "Order" o',
     'no such column: o.UnitPrice in "Order"; near: "Order Details"."UnitPrice"'),
    ('SELECT "Country" FROM Customers WHERE "Country" = "Germany"',
     "no such column: Germany in \"Customers\"; if it is a text, write 'Germany'"),
    ('SELECT strftime("%Y", "Order Date") FROM "Order"',
     "no such column: %Y in \"Order\"; if it is a text, write '%Y'"),
    ('SELECT "O\'Neil" FROM "Table"', "no such column: O'Neil in \"Table\"; if it is a text, write 'O''Neil'"),
    (f'SELECT "{"x" * 201}"', f"no such column: {'x' * 201}"),
    ('SELECT "Germany"', "no such column: Germany; if it is a text, write 'Germany'"),
    ('SELECT count("Contry") FROM Customers', 'no such column: Contry in "Customers"; near: "Country"'),
    ('SELECT 1 FROM Customers ORDER BY "Contry"', 'no such column: Contry in "Customers"; near: "Country"'),
    ('SELECT 1 FROM Customers GROUP BY "Contry"', 'no such column: Contry in "Customers"; near: "Country"'),
    ('SELECT 1 FROM Customers GROUP BY 1 HAVING "Contry" > 1', "no such column: Contry"),
    ('SELECT * FROM Customers JOIN "Order" ON "Custmer" = 1', "no such column: Custmer in "),
    ('WITH x AS (SELECT "Country" AS land FROM Customers) SELECT lnd FROM x',
     "no such column: lnd in x; near: land"),
    ('WITH x AS (SELECT "Contry" AS land FROM Customers) SELECT land FROM x',
     'no such column: Contry in "Customers"; near: "Country"'),
    ('SELECT q."lnd" FROM (SELECT "Country" AS land FROM Customers) q',
     "no such column: q.lnd in q; near: land"),
    ('SELECT 1 FROM Customers WHERE EXISTS (SELECT 1 FROM "Order" WHERE "CustomrID" = 1)',
     'no such column: CustomrID in "Order"; near: "CustomerID"'),
    ('SELECT "Country" FROM Customers UNION SELECT "Grup" FROM "Order"',
     'no such column: Grup in "Order"; near: "Group"'),
    ('SELECT rank() OVER (ORDER BY "Contry") FROM Customers',
     'no such column: Contry in "Customers"; near: "Country"'),
    ('SELECT "a" FROM "Order" WHERE "Order Dat" IS NULL AND "a""b" = 1', "no such column: a in "),
    ('SELECT "Order Dat" FROM "Order"', 'no such column: Order Dat in "Order"; near: "Order Date", "OrderID"'),
    ('SELECT "m" FROM "Table"', 'no such column: m in "Table"; near: odd.m'),
    ('SELECT nn FROM "Sales by Country"', 'no such column: nn in "Sales by Country"; near: n'),
    ("SELECT * FROM Custmers", 'no such table: Custmers; near: "Customers"'),
    ("SELECT * FROM Order_Details", 'no such table: Order_Details; near: "Order Details"'),
    ('SELECT * FROM "orderdetails"', 'no such table: orderdetails; near: "Order Details"'),
    ("SELECT * FROM nowhere_at_all_x", "no such table: nowhere_at_all_x"),
    ("SELECT * FROM broken_view", "no such table: main.no_such_table"),
    ('SELECT "strasse" FROM "Größe"', 'no such column: strasse in "Größe"; near: "straße"'),
]  # fmt: skip


@pytest.fixture(scope="module")
def trade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseRegistry]:
    file = made(tmp_path_factory.mktemp("names") / "trade.sqlite", TRADE + UNICODE + MIXED)
    with closing(DatabaseRegistry()) as registry:
        registry.register("trade", SqliteDatabase, str(file))
        registry.schema("trade")
        yield registry


@pytest.mark.parametrize("statement", RIGHT)
async def test_what_is_right_runs(trade: DatabaseRegistry, statement: str) -> None:
    """No statement is refused that SQLite runs rightly, however its names are written."""
    result = await trade.execute("trade", statement, AMPLE)
    assert result.ok, result.error
    assert result.rows


@pytest.mark.parametrize(("statement", "message"), WRONG)
async def test_a_wrong_name_is_told_with_the_near_ones(
    trade: DatabaseRegistry, statement: str, message: str
) -> None:
    """SQLite takes some of these words for texts, which would give rows."""
    result = await trade.execute("trade", statement, AMPLE)
    assert (result.error_kind, result.rows) == ("invalid", ())
    assert (result.error or "").startswith(message)
    if "; near" in message or "; if" in message or "xxx" in message:
        assert result.error == message


async def test_columns_keep_the_names_that_sqlite_gives(trade: DatabaseRegistry) -> None:
    """The check of names leaves no trace in the result."""
    statement = 'SELECT count("Country"), "Country", "Country" || \'"\' FROM Customers'
    result = await trade.execute("trade", statement, AMPLE)
    assert result.columns == ('count("Country")', "Country", '"Country" || \'"\'')


async def test_without_the_schema_the_message_is_the_databases(shop_path: object) -> None:
    """Nothing is read for the sake of a message."""
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", SqliteDatabase, str(shop_path))
        result = await registry.execute("shop", 'SELECT "idd" FROM orders', AMPLE)
    assert result.error == "no such column: idd"


async def test_random_statements_are_right_until_a_name_is_changed(registry: DatabaseRegistry) -> None:
    """Quoting the names of a random statement changes nothing; one letter more makes it invalid."""
    schema = registry.schema("shop")
    tree, rng = sql_tree(schema), random.Random(5)
    columns = {column.name for table in schema.tables for column in table.columns}
    names = re.compile(rf"\b({'|'.join(sorted(columns, key=len, reverse=True))})\b(?!\()")
    changed = 0
    for _ in range(100):
        statement = sample(tree, rng)
        outside = re.split(r"('(?:[^']|'')*')", statement)
        quoted = "".join(part if part.startswith("'") else names.sub(r'"\1"', part) for part in outside)
        bare = await registry.execute("shop", statement, AMPLE)
        strict = await registry.execute("shop", quoted, AMPLE)
        assert bare.ok, (statement, bare.error)
        assert bare.rows == strict.rows, (quoted, strict.error)
        if '"' in quoted:
            changed += 1
            wrong = re.sub(r'"(\w+)"', r'"\1_x"', quoted, count=1)
            assert (await registry.execute("shop", wrong, AMPLE)).error_kind == "invalid", wrong
    assert changed > 50


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ('SELECT "a" FROM "b c"', "SELECT `a` FROM `b c`"),
        ('"a""b" "c`d" ""', '`a"b` `c``d` ``'),
        ("'\"a\"' '''\"'", "'\"a\"' '''\"'"),
        ('-- "a"\n"b" /* "c\n" */ "d"', '-- "a"\n`b` /* "c\n" */ `d`'),
        ('[a"b"] `c"d"`', '[a"b"] `c"d"`'),
        ('/* "a', '/* "a'),
        ("\"it's\" '\"'", "`it's` '\"'"),
    ],
)
def test_names_are_told_from_texts_and_comments(statement: str, written: str) -> None:
    """Only words in double quotes are rewritten."""
    assert with_backquotes(statement) == written
