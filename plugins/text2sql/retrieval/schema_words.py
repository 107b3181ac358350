"""The words by which a question speaks of a database's tables and columns, not of its values."""

from __future__ import annotations

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.retrieval.likeness import folded
from plugins.text2sql.spans import plurals, singulars


def schema_words(schema: DatabaseSchema) -> frozenset[str]:
    """Return the names of tables and columns in small letters, with their plurals and singulars."""
    names = {folded(table.name.rpartition(".")[2]) for table in schema.tables}
    names |= {folded(column.name) for table in schema.tables for column in table.columns}
    forms = (form for name in names for form in (name, *singulars(name), *plurals(name)))
    return frozenset(forms) - {""}
