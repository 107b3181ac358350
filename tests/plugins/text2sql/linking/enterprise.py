"""A made-up database of 300 tables whose names are written in the ways that real ones are.

Table names put a department and a thing together: ``sales_orders``, ``SalesOrder``, ``sls_ord``.  All
have the same columns.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.schema import DatabaseSchema, Table
from tests.plugins.text2sql.linking.warehouse import schema, table

DEPARTMENTS = {
    "sales": "sls",
    "purchasing": "purch",
    "warehouse": "whse",
    "payroll": "payr",
    "finance": "fin",
    "insurance": "ins",
    "hospital": "hosp",
    "laboratory": "lab",
    "library": "lib",
    "school": "schl",
    "airline": "airl",
    "railway": "rlwy",
    "hotel": "htl",
    "restaurant": "rest",
    "farm": "frm",
    "factory": "fact",
    "museum": "mus",
    "theatre": "thtr",
    "stadium": "stad",
    "harbour": "harb",
}
THINGS = {
    "order": "ord",
    "invoice": "inv",
    "customer": "cust",
    "payment": "pmt",
    "contract": "contr",
    "employee": "emp",
    "schedule": "sched",
    "inspection": "insp",
    "supplier": "suppl",
    "shipment": "shpmt",
    "ticket": "tckt",
    "budget": "bdgt",
    "account": "acct",
    "category": "cat",
    "address": "addr",
    "delivery": "dlvry",
    "complaint": "compl",
    "vehicle": "veh",
    "equipment": "equip",
    "meeting": "mtg",
}
COLUMNS = (
    *(
        "id",
        "name",
        "code",
        "status",
        "type",
        "created_at",
        "updated_at",
        "created_by",
        "description",
        "amount",
    ),
    *("quantity", "currency", "priority", "start_date", "end_date", "comment", "is_active", "version"),
    *("external_id", "sort_key"),
)
_EACH = 15


@dataclass(frozen=True, slots=True)
class Asked:
    """A ``question`` and the tables that it ``needs``."""

    question: str
    needs: tuple[str, ...]


def name_of(department: str, thing: str) -> str:
    """Return the name of a table, in the style of its place."""
    place = list(DEPARTMENTS).index(department) + list(THINGS).index(thing)
    styles = (
        f"{department}_{plural(thing)}",
        f"{department.title()}{thing.title()}",
        f"{DEPARTMENTS[department]}_{THINGS[thing]}",
        f"tbl{department.title()}{plural(thing).title()}",
        f"{DEPARTMENTS[department]}_{thing}".upper(),
    )
    return styles[place % len(styles)]


def plural(thing: str) -> str:
    if thing.endswith("y"):
        return f"{thing[:-1]}ies"
    return f"{thing}es" if thing.endswith("s") else f"{thing}s"


def pairs() -> Iterator[tuple[str, list[str]]]:
    """Yield the departments with the fifteen things that each has."""
    things = list(THINGS)
    for place, department in enumerate(DEPARTMENTS):
        yield department, [things[(place + step) % len(things)] for step in range(_EACH)]


def build() -> DatabaseSchema:
    """Return the schema: in each department, every table refers to the first one's."""
    made: list[Table] = []
    for department, things in pairs():
        names = [name_of(department, thing) for thing in things]
        made.append(table(names[0], COLUMNS))
        made += [table(name, COLUMNS, names[0]) for name in names[1:]]
    return schema(*made)


def questions(count: int) -> Sequence[Asked]:
    """Return questions about two things of a department, each said as people do, not as the table's name."""
    rng = random.Random(7)
    wordings = (
        "How many {0} of the {1} have a {2} that isn't closed?",
        "In the {1}, list the {0} by {2} with their status",
        "What is the total amount of {0} for each {2} in {1}?",
        "which {1} {2} has no {0}",
    )
    made = []
    for place in range(count):
        department, things = rng.choice(list(pairs()))
        first, second = rng.sample(things, 2)
        question = wordings[place % len(wordings)].format(plural(first), department, second)
        made.append(Asked(question, (name_of(department, first), name_of(department, second))))
    return made
