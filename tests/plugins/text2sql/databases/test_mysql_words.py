"""MySQL's and MariaDB's addresses, SQL, values, grants and errors: without a server."""

from __future__ import annotations

from contextlib import closing

import pymysql
import pytest
import sqlalchemy as sa
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE

from launch.database_kinds import kind_name, kind_of, resolved
from plugins.text2sql.databases.address import masked
from plugins.text2sql.databases.database import Limits, StatementError, UnknownName
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.json_values import plain
from plugins.text2sql.databases.mysql.mysql_check import check
from plugins.text2sql.databases.mysql.mysql_connections import settings
from plugins.text2sql.databases.mysql.mysql_database import MysqlDatabase
from plugins.text2sql.databases.mysql.mysql_decoding import DECODING
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB, MYSQL, MysqlDialect
from plugins.text2sql.databases.mysql.mysql_errors import NotConnectedError, explained
from plugins.text2sql.databases.mysql.mysql_grants import excessive
from plugins.text2sql.databases.mysql.mysql_url import connecting, mysql_url
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from sched.errors import ConfigError, UnavailableError
from tests.plugins.text2sql.databases.attack_outcomes import HARMLESS, STOPPED
from tests.plugins.text2sql.databases.mysql_attacks import MARIADB as ATTACKS
from tests.plugins.text2sql.databases.running_statements import AMPLE

URL = sa.make_url("mysql://u:s3cret@h/shop")
IN_SHOP = MysqlDialect(
    MYSQL.name, MYSQL.title, reserved=MYSQL.reserved, default_schema="Shop", own_schemas=MYSQL.own_schemas
)
BEYOND_CHECK = ("SELECT * FROM secret",)
"""Attacks that only the user's rights can tell from questions."""


def checked(statement: str, dialect: Dialect = IN_SHOP) -> None:
    check(check_select(statement, dialect), dialect)


@pytest.mark.parametrize("address", ["mysql://h/d", "mariadb://h/d", "MySQL+PyMySQL://h/d"])
def test_the_scheme_names_the_kind(address: str) -> None:
    """With the driver that SQLAlchemy's users write, too."""
    assert kind_of("shop", address) is MysqlDatabase
    assert kind_name(address) in ("mysql", "mariadb")


def test_no_other_driver_is_taken() -> None:
    """Rather than silently another one."""
    with pytest.raises(ConfigError, match=r"unknown kind of database 'mysql\+mysqldb'"):
        kind_of("shop", "mysql+mysqldb://h/d")


def test_the_prompt_names_what_the_address_names() -> None:
    """Nothing is connected for that."""
    limits = Limits(1, 1, 1)
    assert MysqlDatabase("mysql://h/d", limits, 1).dialect.title == "MySQL"
    assert MysqlDatabase("mariadb+pymysql://h/d", limits, 1).dialect.title == "MariaDB"
    assert MysqlDatabase("mysql://h/d", limits, 1).dialect.default_schema == "d"


def test_the_address_says_how_to_connect() -> None:
    """A password may have any characters."""
    given = connecting(mysql_url("mysql://u:p%E2%82%AC@h/shop?ssl_ca=/ca.pem&ssl_verify_identity=true"))
    assert given == {
        "host": "h", "port": 3306, "user": "u", "password": "p€".encode(), "database": "shop",
        "ssl_ca": "/ca.pem", "ssl_verify_identity": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "option",
    ["local_infile=1", "init_command=DROP", "client_flag=65536", "read_default_file=x", "ssl_disabled=maybe"],
)
def test_an_address_opens_no_way_to_write(option: str) -> None:
    """Options that change what a connection may do are unknown."""
    with pytest.raises(ConfigError, match=option.partition("=")[0]) as caught:
        resolved("shop", f"mysql://u:s3cret@h/d?{option}")
    assert "s3cret" not in str(caught.value)


def test_the_password_of_a_key_is_hidden() -> None:
    """Like the user's."""
    assert masked("mysql://u:a@h/d?ssl_key_password=b&ssl_ca=c") == (
        "mysql://u:***@h/d?ssl_key_password=***&ssl_ca=c"
    )


@pytest.mark.parametrize(
    "statement",
    [
        statement
        for outcome in (STOPPED, HARMLESS)
        for statements in ATTACKS[outcome].values()
        for statement in statements
    ]
    + [
        statement
        for guarantee, statements in ATTACKS["refused"].items()
        for statement in statements
        if guarantee != "other data" or statement not in BEYOND_CHECK
    ],
)
def test_the_check_refuses_by_itself(statement: str) -> None:
    """Every attack but one, before a server sees it."""
    with pytest.raises((UnsafeSqlError, StatementError)):
        checked(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT DATE_FORMAT(a, '%Y-%m'), COUNT(*) FROM t GROUP BY 1",
        "SELECT YEAR(a), TIMESTAMPDIFF(DAY, a, NOW()), DATE_SUB(CURDATE(), INTERVAL 1 MONTH) FROM t",
        "SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR '; ') FROM t",
        "SELECT a -> '$.x', a ->> '$.y', JSON_EXTRACT(a, '$.z') FROM t",
        "SELECT j.a FROM t, JSON_TABLE(t.b, '$[*]' COLUMNS (a INT PATH '$')) AS j",
        "SELECT IF(a > 1, 'x', 'y'), IFNULL(a, 0), LEFT(b, 3), REPLACE(b, 'x', 'y') FROM t",
        "SELECT CONVERT(a USING utf8mb4), CAST(a AS UNSIGNED), CONVERT(a, CHAR(10)) FROM t",
        "SELECT MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t",
        "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b), LAG(a, 1) OVER (ORDER BY b) FROM t",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n",
        "SELECT t.a FROM shop.t AS t JOIN SHOP.u USING (id)",
        "SELECT ST_Distance_Sphere(POINT(1, 2), p), ST_AsText(p) FROM t",
        "SELECT a FROM t WHERE a IN (1, 2) AND (b OR NOT c) AND EXISTS (SELECT 1 FROM u)",
        "SELECT a FROM t -- a comment\n WHERE b = 1 # another\n /* and one more */",
        'SELECT `weird name`, "a text" FROM `a table`',
        "SELECT REGEXP_REPLACE(a, '[0-9]', ''), a REGEXP '^x' FROM t",
        "SELECT VARIANCE(a), STDDEV_POP(a), BIT_AND(a), ANY_VALUE(b), UUID_TO_BIN(c) FROM t",
    ],
)
def test_the_check_lets_questions_pass(statement: str) -> None:
    """Functions of the server, and its forms of JSON, dates and windows."""
    checked(statement)


def test_other_databases_are_read_only_if_the_address_names_none() -> None:
    """Those of the server never."""
    with pytest.raises(StatementError, match=r"the table crm\.t is in another database"):
        checked("SELECT * FROM t JOIN crm.t AS u USING (id)")
    checked("SELECT * FROM shop.t JOIN crm.t AS u USING (id)", MYSQL)
    with pytest.raises(UnsafeSqlError):
        checked("SELECT * FROM mysql.user", MYSQL)


def test_tables_are_known_with_their_database_where_it_is_another() -> None:
    """Capital letters of a database don't count."""
    assert IN_SHOP.known_as("shop", "t") == IN_SHOP.known_as("", "t") == "t"
    assert IN_SHOP.known_as("crm", "t") == MYSQL.known_as("crm", "t") == "crm.t"
    assert IN_SHOP.known_as("", "a.b") == "Shop.a.b"
    assert IN_SHOP.table("Shop.a.b") == "`Shop`.`a.b`"
    assert MARIADB.table("crm.order") == "crm.`order`"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_literal_is_read_as_the_text_it_was(text: str) -> None:
    """By a parser that knows MySQL's escapes; a server's is asked elsewhere."""
    token, *more = sqlglot.tokenize(MYSQL.literal(text + "."), read="mysql")
    assert not more
    assert token.text == text + "."


@pytest.mark.parametrize(
    ("type_", "sent", "value"),
    [
        (FIELD_TYPE.DATE, "2025-01-31", "2025-01-31"),
        (FIELD_TYPE.DATE, "0000-00-00", "0000-00-00"),
        (FIELD_TYPE.DATETIME, "2025-01-31 08:30:00.25", "2025-01-31T08:30:00.25"),
        (FIELD_TYPE.TIMESTAMP, "2025-01-31 08:30:00", "2025-01-31T08:30:00+00:00"),
        (FIELD_TYPE.TIMESTAMP, "0000-00-00 00:00:00", "0000-00-00T00:00:00"),
        (FIELD_TYPE.TIME, "-838:59:59", "-838:59:59"),
        (FIELD_TYPE.YEAR, "2025", 2025),
        (FIELD_TYPE.BIT, b"\x01\x05", 261),
        (FIELD_TYPE.JSON, '{"a": [1, null]}', {"a": [1, None]}),
        (FIELD_TYPE.NEWDECIMAL, "12.50", 12.5),
        (FIELD_TYPE.NEWDECIMAL, "170141183460469231731687303715", "170141183460469231731687303715"),
        (FIELD_TYPE.LONGLONG, "18446744073709551615", 18446744073709551615),
        (FIELD_TYPE.DOUBLE, "1.5e300", 1.5e300),
    ],
)
def test_values_become_json(type_: int, sent: str | bytes, value: object) -> None:
    """As the server writes them, made ISO 8601."""
    assert plain(DECODING[type_](sent)) == value


@pytest.mark.parametrize(
    ("grants", "warnings"),
    [
        (["GRANT USAGE ON *.* TO `r` IDENTIFIED BY PASSWORD '*7B84'", "GRANT SELECT ON `shop`.* TO `r`"], ()),
        (["GRANT SELECT, SHOW VIEW, EXECUTE ON `shop`.* TO r", "GRANT `role` TO `r`@`%`"], ()),
        (["GRANT SELECT (`a`, `b`) ON `shop`.`t` TO r"], ()),
        (["GRANT SELECT, INSERT (`a`, `b`), DELETE ON `shop`.`t` TO r"], ("INSERT, DELETE on shop.t",)),
        (["GRANT ALL PRIVILEGES ON *.* TO `o`@`%` IDENTIFIED BY PASSWORD '*7B84' WITH GRANT OPTION"],
         ("ALL PRIVILEGES, GRANT OPTION on *.*",)),
        (["GRANT FILE ON *.* TO r", "GRANT FILE ON *.* TO r"], ("FILE on *.*",)),
        (["GRANT A, B, C, D, E, F, G ON *.* TO r"], ("A, B, C, D, E and 2 more on *.*",)),
    ],
)  # fmt: skip
def test_what_a_user_may_do_beyond_reading_is_told(grants: list[str], warnings: tuple[str, ...]) -> None:
    """Without the hash of its password."""
    assert excessive(grants) == tuple(
        f"the user has {warning}; give the server one that may only read" for warning in warnings
    )


async def test_a_server_that_cannot_be_reached_is_told() -> None:
    """Without the password, in the state and to who asks."""
    address = "mysql://reader:s3cret-word@127.0.0.1:9/shop"
    with closing(DatabaseRegistry()) as registry:
        registry.register("far", kind_of("far", address), address)
        with pytest.raises(UnavailableError, match=r"Can't connect to MySQL server .*Connection refused"):
            registry.schema("far")
        result = await registry.execute("far", "SELECT 1", AMPLE)
        assert result.error_kind == "unavailable"
        assert "Connection refused" in (registry.state("far").reason or "")
        assert "s3cret-word" not in f"{registry.state('far')} {result.error}"


def denied(verb: str) -> str:
    return f"{verb} command denied to user 'r'@'h' for table `Shop`.`t`"


@pytest.mark.parametrize(
    ("code", "said", "name"),
    [
        (1054, "Unknown column 'a.b' in 'SELECT'", UnknownName("column", "a.b")),
        (1146, "Table 'Shop.orderz' doesn't exist", UnknownName("table", "orderz")),
        (1146, "Table 'crm.orderz' doesn't exist", UnknownName("table", "crm.orderz")),
        (1142, denied("SELECT"), UnknownName("table", "t")),
        (
            1143,
            "SELECT command denied to user 'r'@'h' for column 'c' in table 't'",
            UnknownName("table", "t"),
        ),
    ],
)
def test_an_error_has_the_unknown_name(code: int, said: str, name: UnknownName) -> None:
    """Without the database in front that the connection is in; the user's name isn't told."""
    found = explained(pymysql.ProgrammingError(code, said), URL, IN_SHOP)
    assert (found.kind, found.unknown) == ("invalid", name)
    assert "user" not in str(found)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (pymysql.OperationalError(1142, denied("INSERT")), "rejected"),
        (pymysql.OperationalError(1044, "Access denied"), "rejected"),
        (pymysql.OperationalError(1792, "Cannot execute statement in a READ ONLY transaction"), "rejected"),
        (pymysql.OperationalError(1969, "Query execution was interrupted"), "timeout"),
        (pymysql.OperationalError(3024, "Query execution was interrupted"), "timeout"),
        (pymysql.OperationalError(1317, "Query execution was interrupted"), "unavailable"),
        (pymysql.OperationalError(2013, "Lost connection"), "unavailable"),
        (NotConnectedError(1045, "Access denied"), "unavailable"),
        (NotConnectedError(1044, "Access denied"), "unavailable"),
        (sa.exc.TimeoutError("no connection is free"), "unavailable"),
        (pymysql.ProgrammingError(1064, "You have an error in your SQL"), "invalid"),
    ],
)
def test_errors_are_of_a_kind(error: Exception, kind: str) -> None:
    """By the server's number, and by what was done."""
    found = explained(error, URL, IN_SHOP)
    assert (found.kind, found.unknown, str(found)) == (kind, None, error.args[-1])


def test_a_message_is_one_line_without_the_password() -> None:
    """Whatever the server repeats."""
    error = pymysql.ProgrammingError(1064, "You have\nan error at s3cret")
    assert str(explained(error, URL, IN_SHOP)) == "You have an error at …"


@pytest.mark.parametrize(
    ("mariadb", "limit"), [(True, ("max_statement_time", 2.5)), (False, ("max_execution_time", 2500))]
)
def test_each_vendor_keeps_the_time_in_its_own_way(mariadb: bool, limit: tuple[str, float]) -> None:
    """And no value is cut without a word."""
    found = settings(mariadb, Limits(1, 1, 1000, 2.5))
    assert limit in found.items()
    assert found["group_concat_max_len"] == 4004
    assert found["sql_mode"] == "NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY"
