"""Secrets come from the environment and are never shown."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from launch.database_kinds import resolved
from plugins.text2sql.databases.address import masked
from plugins.text2sql.databases.relational.database_url import database_url, without_secrets
from sched.errors import ConfigError

ADDRESS = "postgresql://${WHO}:${SHOP_PASSWORD}@db.example:5433/shop?sslmode=require"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_variable_stands_for_any_text(password: str) -> None:
    """Also one with the characters that take a URL apart."""
    url = database_url(ADDRESS, {"WHO": "reader", "SHOP_PASSWORD": password})
    assert (url.username, url.password, url.host, url.port) == ("reader", password, "db.example", 5433)
    assert url.database == "shop"
    assert url.query == {"sslmode": "require"}


def test_a_password_may_stand_in_the_url() -> None:
    """Percent-encoded, as in any URL."""
    assert database_url("postgresql://u:a%40b@h/d", {}).password == "a@b"


def test_host_and_database_may_be_variables() -> None:
    """Any part may."""
    url = database_url("postgresql://u@${HOST}/${NAME}", {"HOST": "h", "NAME": "d"})
    assert (url.host, url.database, url.password) == ("h", "d", None)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_parameters_may_be_variables(password: str) -> None:
    """libpq takes a password there, too."""
    url = database_url("postgresql://h/d?user=u&password=${PW}", {"PW": password})
    assert url.query == {"user": "u", "password": password}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://u:${NOT_SET}@h/d", "the environment has no variable 'NOT_SET'; set it"),
        ("postgresql://u:${}@h/d", "the environment has no variable ''; set it"),
        ("postgresql://u:p@h:port/d", "this is no URL; write kind://"),
        ("postgresql:/u:p@h/d", "this is no URL"),
    ],
)
def test_what_cannot_be_right_is_said_without_the_address(address: str, message: str) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match=None) as caught:
        database_url(address, {})
    assert caught.value.message.startswith(message)
    assert "u:p" not in str(caught.value)


def test_a_missing_variable_names_the_database() -> None:
    """And no part of the address that may be a password."""
    with pytest.raises(ConfigError) as caught:
        resolved("shop", "postgresql://u:${SLUICE_TEST_NOT_SET}@h/d")
    assert caught.value.message == (
        "--database shop=postgresql…h/d: the environment has no variable 'SLUICE_TEST_NOT_SET'; set it"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:s3cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:s3@cr:et@h:5/d?x=1", "postgresql://u:***@h:5/d?x=1"),
        ("postgresql://u:${PW}@h/d", "postgresql://u:${PW}@h/d"),
        ("postgresql://u:${PW}more@h/d", "postgresql://u:***@h/d"),
        (
            "postgresql://u@h/d?sslmode=require&password=s3cret",
            "postgresql://u@h/d?sslmode=require&password=***",
        ),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("/data/my:shop@home.sqlite", "/data/my:shop@home.sqlite"),
        ("duckdb:////data/a:b@c.duckdb?threads=2", "duckdb:////data/a:b@c.duckdb?threads=2"),
    ],
)
def test_a_printed_configuration_has_no_password(address: str, shown: str) -> None:
    """But the name of its variable."""
    assert masked(address) == shown


def test_a_drivers_message_loses_the_password() -> None:
    """And its line breaks."""
    url = sa.make_url("postgresql://u:s3cret@h/d")
    assert without_secrets("no entry\n for s3cret", url) == "no entry for …"
    url = database_url("postgresql://h/d?password=${PW}&sslmode=require", {"PW": "s3cret"})
    assert without_secrets("no s3cret of require", url) == "no … of require"
