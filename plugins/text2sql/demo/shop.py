"""The demo database: an online shop in SQLite, the same rows for the same seed.

``python -m plugins.text2sql.demo.shop PATH`` builds it.  All dates are ISO text up to 2024-12-31, all
money is in euros with two decimals, and an order's total is the sum of its items plus shipping.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
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
_COUNTS = {"suppliers": 60, "products": 360, "customers": 1500, "orders": 4500}

_SCHEMA = """
CREATE TABLE categories (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, department TEXT NOT NULL);
CREATE TABLE suppliers (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, country TEXT NOT NULL,
  partner_since TEXT NOT NULL);
CREATE TABLE products (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL,
  category_id INTEGER NOT NULL REFERENCES categories (id),
  supplier_id INTEGER NOT NULL REFERENCES suppliers (id),
  price REAL NOT NULL, cost REAL NOT NULL, stock INTEGER NOT NULL, launched_on TEXT NOT NULL);
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE, city TEXT NOT NULL, country TEXT NOT NULL, segment TEXT NOT NULL,
  signed_up_on TEXT NOT NULL);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id),
  ordered_on TEXT NOT NULL, status TEXT NOT NULL, payment_method TEXT NOT NULL,
  shipping_fee REAL NOT NULL, total REAL NOT NULL);
CREATE TABLE order_items (
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL, unit_price REAL NOT NULL);
CREATE TABLE shipments (
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
  carrier TEXT NOT NULL, shipped_on TEXT NOT NULL, delivered_on TEXT);
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products (id),
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  rating INTEGER NOT NULL, title TEXT NOT NULL, reviewed_on TEXT NOT NULL);
CREATE INDEX products_category ON products (category_id);
CREATE INDEX products_supplier ON products (supplier_id);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX items_order ON order_items (order_id);
CREATE INDEX items_product ON order_items (product_id);
CREATE INDEX shipments_order ON shipments (order_id);
"""

# name, department, lowest and highest price in euros, nouns of its products
_CATEGORIES: tuple[tuple[str, str, int, int, str], ...] = (
    ("Laptops", "Electronics", 450, 2400, "Notebook,Ultrabook,Workstation"),
    ("Phones", "Electronics", 150, 1200, "Phone,Smartphone,Foldable"),
    ("Audio", "Electronics", 20, 400, "Headphones,Speaker,Earbuds,Soundbar"),
    ("Cameras", "Electronics", 200, 1900, "Camera,Lens,Camcorder"),
    ("Cookware", "Home", 15, 220, "Pan,Pot,Wok,Casserole"),
    ("Furniture", "Home", 60, 900, "Chair,Desk,Shelf,Table"),
    ("Lighting", "Home", 12, 180, "Lamp,Lantern,Spotlight"),
    ("Running", "Sports", 20, 190, "Shoes,Jacket,Shorts"),
    ("Cycling", "Sports", 15, 1500, "Bicycle,Helmet,Pump"),
    ("Camping", "Sports", 18, 420, "Tent,Backpack,Stove"),
    ("Books", "Leisure", 6, 60, "Novel,Atlas,Cookbook"),
    ("Toys", "Leisure", 8, 120, "Puzzle,Train,Kite"),
    ("Garden", "Outdoor", 10, 350, "Mower,Shears,Planter"),
)
_CITIES = {
    "Germany": "Berlin Hamburg Munich Cologne Leipzig",
    "France": "Paris Lyon Marseille Lille",
    "Italy": "Rome Milan Turin",
    "Spain": "Madrid Barcelona Valencia",
    "Netherlands": "Amsterdam Utrecht",
    "Poland": "Warsaw Krakow",
    "Sweden": "Stockholm Malmo",
    "Austria": "Vienna Graz",
    "Portugal": "Lisbon Porto",
}
_PLACES = tuple((city, land) for land, cities in _CITIES.items() for city in cities.split())
_FIRST_NAMES = (
    "Anna Ben Clara David Elena Felix Greta Hugo Ines Jonas Katja Luca Maria Nils Olga Pablo "
    "Quentin Rosa Simon Tara Ulla Victor Wanda Xavier Yara Zoe Amelie Bruno Carmen Dario Emma Finn"
)
_LAST_NAMES = (
    "Almeida Bauer Costa Dubois Eriksson Fischer Garcia Hansen Ivanov Jansen Keller Lopez Moreau "
    "Nowak Olsen Petit Quist Rossi Schmidt Torres Ullmann Vidal Weber Young Zimmer Becker Conti"
)
_BRANDS = "Alto Borea Cirrus Delta Ember Fjord Granit Helio Iris Juno Kestrel Lumen"
_GRADES = "Basic Classic Plus Pro Max Eco Travel Studio"
_SEGMENTS = ("consumer", "business", "premium")
_PAYMENTS = ("card", "paypal", "invoice", "transfer")
_CARRIERS = ("DHL", "UPS", "GLS", "PostNord")
_TITLES = {
    1: ("Broke after a week", "Very disappointed", "Do not buy"),
    2: ("Not what I expected", "Too expensive", "Mediocre quality"),
    3: ("It is okay", "Average", "Does the job"),
    4: ("Good value", "Happy with it", "Would buy again"),
    5: ("Excellent", "Exceeded my expectations", "Simply perfect"),
}


def _between(rng: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randint(0, max(0, (last - first).days)))


def _catalogue(rng: random.Random) -> Tables:
    """Return categories, suppliers and products."""
    last_names = _LAST_NAMES.split()
    suppliers: list[Row] = []
    for key in range(1, _COUNTS["suppliers"] + 1):
        city, country = rng.choice(_PLACES)
        name = f"{rng.choice(last_names)} {rng.choice(('Trading', 'GmbH', 'Goods', 'Supply'))}"
        since = _between(rng, date(2012, 1, 1), date(2021, 12, 31))
        suppliers.append((key, name, city, country, since.isoformat()))
    kinds = list(product(range(len(_CATEGORIES)), _BRANDS.split(), _GRADES.split()))
    products: list[Row] = []
    for key, (category, brand, grade) in enumerate(rng.sample(kinds, _COUNTS["products"]), 1):
        _, _, low, high, nouns = _CATEGORIES[category]
        name = f"{brand} {grade} {rng.choice(nouns.split(','))}"
        cents = round(low + (high - low) * rng.betavariate(1.4, 3.0)) * 100 - 1
        cost = round(cents * rng.uniform(0.45, 0.8)) / 100
        launched = _between(rng, date(2018, 1, 1), date(2021, 12, 31)).isoformat()
        supplier, stock = rng.randint(1, len(suppliers)), rng.randint(0, 400)
        products.append((key, name, category + 1, supplier, cents / 100, cost, stock, launched))
    categories = [(key, *entry[:2]) for key, entry in enumerate(_CATEGORIES, 1)]
    return {"categories": categories, "suppliers": suppliers, "products": products}


def _customers(rng: random.Random) -> list[Row]:
    first_names, last_names = _FIRST_NAMES.split(), _LAST_NAMES.split()
    rows: list[Row] = []
    for key in range(1, _COUNTS["customers"] + 1):
        first, last = rng.choice(first_names), rng.choice(last_names)
        email = f"{first}.{last}{key}@example.com".lower()
        city, country = rng.choices(_PLACES, weights=range(len(_PLACES), 0, -1))[0]
        segment = rng.choices(_SEGMENTS, weights=(70, 20, 10))[0]
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
    for _ in range(_COUNTS["orders"]):
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
        status, payment = _status(rng, ordered), rng.choice(_PAYMENTS)
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
    row = (len(tables["shipments"]) + 1, order, rng.choice(_CARRIERS), shipped.isoformat())
    tables["shipments"].append((*row, delivered))


def _review(
    rng: random.Random, tables: Tables, products: Sequence[int], customer: int, delivered: date
) -> None:
    for bought in products:
        if rng.random() < 0.3:
            rating = rng.choices((1, 2, 3, 4, 5), weights=(5, 8, 17, 35, 35))[0]
            written = _between(rng, delivered, min(LAST_DAY, delivered + timedelta(days=30)))
            row = (len(tables["reviews"]) + 1, bought, customer, rating)
            tables["reviews"].append((*row, rng.choice(_TITLES[rating]), written.isoformat()))


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
            connection.executescript(_SCHEMA)
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
