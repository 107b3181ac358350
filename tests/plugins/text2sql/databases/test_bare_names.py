"""A name stands bare in SQL where the parsers take it for one, and in quotes elsewhere."""

from __future__ import annotations

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import TokenType, exp

from plugins.text2sql.databases.dialect import STANDARD, Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE

DIALECTS = (STANDARD, SQLITE, POSTGRESQL, DUCKDB)


def is_name(word: str, dialect: Dialect) -> bool:
    """Return whether sqlglot's tokenizer takes ``word`` alone for a name."""
    return [token.token_type for token in sqlglot.tokenize(word, read=dialect.name)] == [TokenType.VAR]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.title)
def test_words_of_the_dialect_stand_in_quotes(dialect: Dialect) -> None:
    """Each word that means something to sqlglot or the database, and no other."""
    keywords = sqlglot.Dialect.get_or_raise(dialect.name).tokenizer_class.KEYWORDS
    words = {word.lower() for keyword in keywords for word in keyword.split() if word.isidentifier()}
    for word in sorted(words | dialect.reserved):
        bare = is_name(word, dialect) and word not in dialect.reserved
        assert dialect.identifier(word) == (word if bare else f'"{word}"')


@given(st.sampled_from(DIALECTS), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_every_name_is_read_as_it_is(dialect: Dialect, name: str) -> None:
    """Whatever its characters are."""
    column = sqlglot.parse_one(f"SELECT {dialect.identifier(name)} FROM t", read=dialect.name).find(
        exp.Column
    )
    assert column is not None
    assert column.name == name
