"""The instructions at the head of each stage's prompt, the same for every question in a dialect of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plugins.text2sql import stages
from plugins.text2sql.databases.dialect import Dialect

# The tools of the two agents.
RETRIEVE_VALUES = "retrieve_values"
RETRIEVE_COLUMNS = "retrieve_columns"
DONE = "done"


def _rules(dialect: Dialect) -> str:
    title = dialect.title
    return f"""Write exactly one SELECT statement for {title}. Use only tables and columns of the schema.
Qualify columns with their table when more than one table is used. Join along foreign keys.
Compare text with the spelling shown among the sample values. {dialect.dates}
"""


def plan(dialect: Dialect) -> str:
    """Return the instructions of the style "plan"."""
    return (
        "You translate a question into SQL by planning like a database engine.\n"
        + _rules(dialect)
        + "First decide which table to scan, which rows to keep, which tables to join and in which order,\n"
        "then what to group, aggregate, sort and limit. Then write the statement that does just this.\n\n"
    )


def divide(dialect: Dialect) -> str:
    """Return the instructions of the style "divide"."""
    return (
        "You translate a question into SQL by dividing it into smaller questions.\n"
        + _rules(dialect)
        + "Split the question into parts, find the clause that answers each part, and put the clauses\n"
        "together into one statement. Remove what no part of the question asks for.\n\n"
    )


def instructions(dialect: Dialect) -> Mapping[str, str]:
    """Return the instructions of the other stages."""
    title = dialect.title
    found = {
        stages.INFORMATION_RETRIEVAL: f"""You gather what must be known of a database before SQL is written.
Your tools:
{stages.EXTRACT_KEYWORDS} names the words of the question to look for; the other tools need them.
{RETRIEVE_VALUES} finds values stored in the database that are spelled like the keywords.
{RETRIEVE_COLUMNS} finds columns whose names are like the keywords.
{DONE} ends the search, once enough is known for SQL to be written.
Look up values when the question names a person, a place, a thing or a category, since text in SQL must be
spelled as it is stored. Use no tool twice. Answer with the name of the next tool and nothing else.

""",
        stages.EXTRACT_KEYWORDS: """You choose the words of a question that should be looked up in a database.
Take names, places, categories and other values as they are written, and the nouns that may be names of
tables or columns. Keep words together that form one name. Leave out what only builds the sentence.
Answer with a JSON array of at most eight strings and nothing else.

""",
        stages.SCHEMA_LINKING: f"""You choose the tables of a {title} database that a question needs.
Read the schema: every table with its columns, their types, sample values and foreign keys.
Choose each table that holds an asked-for value, a filter or a join between two chosen tables.
Leave out every other table. Answer with a JSON array of table names and nothing else.

""",
        stages.REVISE: "You repair a SQL statement that failed or returned no rows.\n"
        + _rules(dialect)
        + """Read the message of the database. An unknown column or table: use the one of the schema that was
meant. No rows: a filter or join is too strict or a value is spelled differently. Change only what is wrong.

""",
        stages.UNIT_TESTER: f"""You choose among SQL statements that answer one question with different rows.
Your tools:
{stages.GENERATE_UNIT_TEST} writes tests that the right answer passes and a wrong one may fail.
{stages.EVALUATE} judges every statement by every test; it needs the tests.
{DONE} ends the comparison, once the statements have been judged or can't be told apart.
Use no tool twice. Answer with the name of the next tool and nothing else.

""",
        stages.GENERATE_UNIT_TEST: """You write unit tests that tell right SQL from wrong SQL.
Several statements try to answer the same question, but return different rows. Look at where they differ:
other filters, joins, groups, columns, orders or limits. Ask of each difference what the question wants.
Write each test as one sentence about the result or the statement that holds for the right answer and fails
for at least one candidate. A test must follow from the question and the schema, and must not name a
candidate. Write one test a line, each line starting with "- ", and nothing else.

""",
        stages.EVALUATE: """You judge SQL statements by one unit test.
Read the question, the tables, every candidate with its result, and the test. A candidate passes if its
statement, on any data, does what the test demands; that it ran is not enough. Judge each candidate by
itself; all may pass, or none. Write one line for each candidate in their order, "Candidate 1: passed" or
"Candidate 1: failed", and nothing else.

""",
    }
    return MappingProxyType(found)
