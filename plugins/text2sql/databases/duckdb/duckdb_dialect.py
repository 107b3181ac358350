"""DuckDB's SQL."""

from __future__ import annotations

import re

from sqlglot import exp

from plugins.text2sql.databases.dialect import MAX_REPEATED, Dialect, called, has_huge_number

# Functions that read files or settings, run SQL from a text, wait, or change something.
_FORBIDDEN = re.compile(
    r"read_.*|.*_scan|scan_.*|glob|sniff_.*|parquet_.*|query|query_table|json_execute_.*|json_serialize_.*"
    r"|duckdb_.*|pragma_.*|which_secret|nextval|currval|setval|setseed|sleep.*|write_.*|getenv|getvariable"
    r"|current_setting|current_query.*|.*checkpoint|enable_.*|disable_.*|register_.*|deregister_.*"
    r"|create_.*|destroy_.*|add_.*|remove_.*|truncate_.*|python_.*|import_.*|copy_.*|test_.*|error"
    r"|sql_auto_complete|summary|storage_info|metadata_info|database_list|st_read.*|http.*|load_.*"
)

# duckdb_keywords() but for the unreserved ones.
_RESERVED = """
all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint binary bit
boolean both by case cast char character check coalesce collate collation column columns columns
concurrently constraint create cross dec decimal default deferrable desc describe distinct do else end
except exists extract false fetch float for foreign freeze from full generated generated glob group
grouping grouping_id having ilike in initially inner inout int integer intersect interval into is isnull
join lambda lateral leading left like limit map map national natural nchar none not notnull null nullif
numeric offset on only or order out outer overlaps overlay pivot pivot_longer pivot_wider placing
position positional precision primary qualify real references returning right row select semi setof show
similar smallint some struct struct substring summarize symmetric table tablesample then time timestamp
to trailing treat trim true try_cast try_cast tuple tuple union unique unpack unpivot using values
varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""


class DuckdbDialect(Dialect):
    """DuckDB's, with the functions it has that no answer needs."""

    def forbids(self, function: str) -> bool:
        """Whether ``function`` reaches beyond the data."""
        return _FORBIDDEN.fullmatch(function) is not None

    def excessive(self, call: exp.Func) -> str | None:
        """Return what would make a huge value: beside tables, ``range`` makes a list."""
        listing = called(call) in ("range", "generate_series") and not isinstance(call.parent, exp.Table)
        if listing and has_huge_number(call):
            return f"a list of more than {MAX_REPEATED} numbers"
        return super().excessive(call)

    def refuses(self, node: exp.Expr) -> str | None:
        """Return what else DuckDB would do.

        PIVOT makes a type of the values that it finds first, unless they are listed.  Without quotes no
        reserved word is a table's name, but the check's parser takes ``(SHOW x)`` and ``(DESC x)`` for some.
        """
        if isinstance(node, exp.Pivot) and not (node.args.get("unpivot") or _lists_its_values(node)):
            return "PIVOT without its values (write ON a IN ('x', 'y'))"
        bare = isinstance(node, exp.Table) and not node.db and isinstance(node.this, exp.Identifier)
        if bare and not node.this.quoted and node.name.lower() in self.reserved:
            return f"{node.name.upper()} in place of a table"
        return None


def _lists_its_values(pivot: exp.Pivot) -> bool:
    columns = pivot.args.get("fields") or pivot.expressions
    return all(isinstance(column, exp.In) and column.find(exp.Query) is None for column in columns)


DUCKDB = DuckdbDialect(
    "duckdb",
    "DuckDB",
    "Write dates like DATE '2025-01-31'.",
    reserved=frozenset(_RESERVED.split()),
    default_schema="main",
    own_schemas=frozenset({"information_schema", "pg_catalog", "system", "temp"}),
    own_tables=("duckdb_", "pragma_", "sqlite_", "pg_"),
)
