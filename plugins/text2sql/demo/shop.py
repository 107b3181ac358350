"""The demo database: an online shop in SQLite, the same rows for the same seed.

``python -m plugins.text2sql.demo.shop PATH`` builds it.  All dates are ISO text up to 2024-12-31, all
money is in euros with two decimals, and an order's total is the sum of its items plus shipping.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from itertools import accumulate, product
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
Tables = dict[str, list[Row]]

FIRST_DAY = date(2022, 1, 1)
LAST_DAY = date(2024, 12, 31)
_SCHEMA = Path(__file__).with_suffix(".sql")
_FILLING = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_PLACES = [(city, country) for country, cities in _FILLING["cities"].items() for city in cities]


def _between(rng: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randint(0, max(0, (last - first).days)))


def _catalogue(rng: random.Random) -> Tables:
    """Return categories, suppliers and products."""
    suppliers: list[Row] = []
    for key in range(1, _FILLING["rows"]["suppliers"] + 1):
        city, country = rng.choice(_PLACES)
        name = f"{rng.choice(_FILLING['last_names'])} {rng.choice(_FILLING['companies'])}"
        since = _between(rng, date(2012, 1, 1), date(2021, 12, 31))
        suppliers.append((key, name, city, country, since.isoformat()))
    kinds = list(product(enumerate(_FILLING["categories"], 1), _FILLING["brands"], _FILLING["grades"]))
    products: list[Row] = []
    for key, ((category, of), brand, grade) in enumerate(rng.sample(kinds, _FILLING["rows"]["products"]), 1):
        name = f"{brand} {grade} {rng.choice(of['nouns'])}"
        cents = round(of["lowest"] + (of["highest"] - of["lowest"]) * rng.betavariate(1.4, 3.0)) * 100 - 1
        cost = round(cents * rng.uniform(0.45, 0.8)) / 100
        launched = _between(rng, date(2018, 1, 1), date(2021, 12, 31)).isoformat()
        supplier, stock = rng.randint(1, len(suppliers)), rng.randint(0, 400)
        products.append((key, name, category, supplier, cents / 100, cost, stock, launched))
    categories = [(key, of["name"], of["department"]) for key, of in enumerate(_FILLING["categories"], 1)]
    return {"categories": categories, "suppliers": suppliers, "products": products}


def _customers(rng: random.Random) -> list[Row]:
    rows: list[Row] = []
    for key in range(1, _FILLING["rows"]["customers"] + 1):
        first, last = rng.choice(_FILLING["first_names"]), rng.choice(_FILLING["last_names"])
        email = f"{first}.{last}{key}@example.com".lower()
        city, country = rng.choices(_PLACES, weights=range(len(_PLACES), 0, -1))[0]
        segment = rng.choices(_FILLING["segments"], weights=(70, 20, 10))[0]
        signed_up = _between(rng, date(2021, 6, 1), date(2024, 10, 31)).isoformat()
        rows.append((key, first, last, email, city, country, segment, signed_up))
    return rows


def _status(rng: random.Random, ordered: date) -> str:
    if rng.random() < 0.05:
        return "cancelled"
    age = (LAST_DAY - ordered).days
    if age < 4:
        return rng.choice(("pending", "paid"))
    if age < 14:
        return "shipped"
    return "returned" if rng.random() < 0.06 else "delivered"


def _sales(rng: random.Random, customers: Sequence[Row], products: Sequence[Row]) -> Tables:
    """Return orders with their items, shipments and reviews; each follows from the order's date."""
    tables: Tables = {"orders": [], "order_items": [], "shipments": [], "reviews": []}
    items = tables["order_items"]
    popularity = list(accumulate(1 / rank**0.7 for rank in range(1, len(products) + 1)))
    ordered_days = []
    for _ in range(_FILLING["rows"]["orders"]):
        customer = rng.choice(customers)
        first = max(FIRST_DAY, date.fromisoformat(customer[-1]))
        ordered_days.append((_between(rng, first, LAST_DAY), customer[0]))
    for order, (ordered, customer_id) in enumerate(sorted(ordered_days), 1):
        basket = rng.choices(products, cum_weights=popularity, k=rng.randint(1, 5))
        chosen = {item[0]: item[4] for item in basket}
        cents = 0
        for bought, price in chosen.items():
            quantity = rng.choices((1, 2, 3, 4), weights=(70, 18, 8, 4))[0]
            cents += quantity * round(price * 100)
            items.append((len(items) + 1, order, bought, quantity, price))
        fee = 0 if cents >= 10_000 else 490
        status, payment = _status(rng, ordered), rng.choice(_FILLING["payments"])
        total = (cents + fee) / 100
        day = ordered.isoformat()
        tables["orders"].append((order, customer_id, day, status, payment, fee / 100, total))
        if status in ("shipped", "delivered", "returned"):
            _ship(rng, tables, order, ordered, status)
        if status in ("delivered", "returned"):
            delivered = date.fromisoformat(tables["shipments"][-1][-1])
            _review(rng, tables, list(chosen), customer_id, delivered)
    return tables


def _ship(rng: random.Random, tables: Tables, order: int, ordered: date, status: str) -> None:
    shipped = ordered + timedelta(days=rng.randint(1, 4))
    arrives = (shipped + timedelta(days=rng.randint(1, 9))).isoformat()
    delivered = None if status == "shipped" else arrives
    row = (len(tables["shipments"]) + 1, order, rng.choice(_FILLING["carriers"]), shipped.isoformat())
    tables["shipments"].append((*row, delivered))


def _review(
    rng: random.Random, tables: Tables, products: Sequence[int], customer: int, delivered: date
) -> None:
    for bought in products:
        if rng.random() < 0.3:
            rating = rng.choices((1, 2, 3, 4, 5), weights=(5, 8, 17, 35, 35))[0]
            written = _between(rng, delivered, min(LAST_DAY, delivered + timedelta(days=30)))
            row = (len(tables["reviews"]) + 1, bought, customer, rating)
            tables["reviews"].append((*row, rng.choice(_FILLING["titles"][rating - 1]), written.isoformat()))


def build_shop(path: Path, seed: int = 7) -> None:
    """Write the shop database to ``path``, replacing what was there in one step.

    About 25,000 rows in eight tables, under 2 MB.  Missing parent folders are made.

    Raises:
        OSError: the folder can't be written.
    """
    rng = random.Random(seed)
    tables = _catalogue(rng)
    tables["customers"] = _customers(rng)
    tables |= _sales(rng, tables["customers"], tables["products"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".shop-", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.executescript(_SCHEMA.read_text("utf-8"))
            for table, rows in tables.items():
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
            connection.commit()
        unfinished.replace(path)


def main() -> None:
    """Build the shop database from the command line."""
    parser = argparse.ArgumentParser(description="Build the demo shop database.")
    parser.add_argument("path", type=Path, help="the SQLite file to write")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same rows")
    arguments = parser.parse_args()
    build_shop(arguments.path, arguments.seed)


if __name__ == "__main__":
    main()
