"""Databases that are awkward in every way that files in the wild are.

``python -m tests.plugins.text2sql.databases.awkward FOLDER > FILE.toml`` makes them, and a configuration file
with which a server can be tried on them.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

TRADE = """
CREATE TABLE Customers ("CustomerID" TEXT PRIMARY KEY, "CompanyName" TEXT, "Contact Name" TEXT,
                        "Country" TEXT);
CREATE TABLE "Order Details" ("OrderID" INT, "ProductID" INT, "UnitPrice" NUMERIC, "Quantity" INT,
                              PRIMARY KEY ("OrderID", "ProductID"));
CREATE TABLE "Order" ("OrderID" INTEGER PRIMARY KEY, "CustomerID" TEXT REFERENCES Customers ("CustomerID"),
                      "Order Date" DATETIME, "Group" TEXT, "select" TEXT, "Ship's Name" TEXT, "a""b" TEXT,
                      "c`d" TEXT, "e]f" TEXT);
CREATE TABLE "Table" ("Index" INT, "Values" TEXT, "update" TEXT);
CREATE VIEW "Sales by Country" AS
    SELECT "Country", count(*) AS n FROM Customers JOIN "Order" USING ("CustomerID") GROUP BY 1;
CREATE VIEW broken_view AS SELECT * FROM no_such_table;
INSERT INTO Customers VALUES ('C1', 'Oak Ltd', 'Ann', 'Germany'), ('C2', 'Elm Ltd', 'Bob', '日本');
INSERT INTO "Order Details" VALUES (1, 1, 9.5, 2), (1, 2, 3, 1), (2, 1, 9.5, 4);
INSERT INTO "Order" VALUES (1, 'C1', '2024-01-02', 'A', 'x', 'O''Neil', 'q', 'r', 's'),
                           (2, 'C2', '2024-02-03', 'B', 'y', 'Sea', 'q', 'r', 's');
INSERT INTO "Table" VALUES (1, 'v', 'u');
"""
UNICODE = """
CREATE TABLE "客户" ("编号" INTEGER PRIMARY KEY, "姓名" TEXT);
CREATE TABLE "Größe" ("straße" TEXT, "Ñandú" TEXT, "naïve col" REAL, "emoji😀" TEXT);
INSERT INTO "客户" VALUES (1, '王伟');
INSERT INTO "Größe" VALUES ('Hauptstraße', 'ñ', 1.5, '😀');
"""
MIXED = """
CREATE TABLE ev (id INTEGER PRIMARY KEY, payload BLOB, amount REAL, big INTEGER, j JSON, dec DECIMAL(10, 2));
CREATE TABLE st (a INT NOT NULL, b TEXT, c ANY, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;
CREATE TABLE gen (price REAL, qty INT, total REAL GENERATED ALWAYS AS (price * qty) STORED,
                  label TEXT GENERATED ALWAYS AS ('x' || qty) VIRTUAL);
CREATE TABLE fkc (x INT, y TEXT, FOREIGN KEY (x, y) REFERENCES st (a, b));
CREATE TABLE selfref (id INTEGER PRIMARY KEY, boss INT REFERENCES selfref, name TEXT);
CREATE TABLE badfk (id INT, p INT REFERENCES ghost (id));
CREATE TABLE odd (m, n, "" TEXT);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE VIRTUAL TABLE docs USING fts5 (title, body);
CREATE VIRTUAL TABLE box USING rtree (id, minx, maxx);
INSERT INTO ev VALUES (1, x'00ff', 1.5, 4611686018427387904, '{"a": 1}', 0.5), (2, x'', 9e999, 2, NULL, 1),
                      (3, NULL, -9e999, 3, NULL, NULL);
INSERT INTO st VALUES (1, 'q', x'00ff'), (2, 'q', 'text');
INSERT INTO gen (price, qty) VALUES (2.5, 3);
INSERT INTO odd VALUES (1, x'ff', 't'), ('t', 2.5, 'u');
INSERT INTO selfref VALUES (1, NULL, 'Ann'), (2, 1, 'Bob');
INSERT INTO counted VALUES (1);
INSERT INTO docs VALUES ('Hello', 'world of text');
INSERT INTO box VALUES (1, 0.0, 1.0);
"""
BAD_TEXT = """
CREATE TABLE t (a TEXT, b TEXT);
INSERT INTO t VALUES (CAST(x'ff41' AS TEXT), 'multi' || char(10) || 'line'),
                     ('nul' || char(0) || 'mid', 'ok');
"""
VIEWS = "CREATE VIEW v AS SELECT 1 AS a, 'x' AS b"
EMPTY_TABLE = "CREATE TABLE only (a TEXT, b INT)"


def made(path: Path, script: str) -> Path:
    """Return ``path``, where there is now a database that ``script`` made."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def many_tables(count: int = 300, columns: int = 5, rows: int = 0) -> str:
    """Return the script of so many tables with a key and ``columns``, every third of numbers."""
    types = ["TEXT" if place % 3 else "INT" for place in range(columns)]
    listed = ", ".join(f"col_{place} {type_}" for place, type_ in enumerate(types))
    filled = ""
    if rows:
        texts = [f"'v' || k || '_{place}'" if place % 3 else f"k * {place}" for place in range(columns)]
        numbers = f"WITH RECURSIVE n (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k + 1 < {rows})"
        filled = f" {numbers} SELECT k, {', '.join(texts)} FROM n;"
    names = [f"module_{number:03}_entity" for number in range(count)]
    made = [f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {listed});" for name in names]
    return "\n".join([*made, *(f"INSERT INTO {name}{filled}" for name in names if filled)])


def many_columns(count: int = 1500) -> str:
    """Return the script of a table with so many columns."""
    columns = ", ".join(f"c{number} TEXT" for number in range(count))
    return f"CREATE TABLE wide ({columns}); INSERT INTO wide (c0, c{count - 1}) VALUES ('a', 'b');"


def corrupt(path: Path) -> Path:
    """Return a file whose schema can be read and whose tables can't."""
    content = bytearray(made(path, TRADE).read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = {
            row[0] for row in connection.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")
        }
    for root in roots:
        content[(root - 1) * size : root * size] = b"\xee" * size
    path.write_bytes(content)
    return path


def truncated(path: Path) -> Path:
    """Return a file that ends in its middle."""
    path.write_bytes(made(path, TRADE).read_bytes()[:6000])
    return path


def encrypted(path: Path) -> Path:
    """Return a file of noise."""
    path.write_bytes(bytes(number * 97 % 251 for number in range(8192)))
    return path


def make_all(folder: Path) -> dict[str, Path]:
    """Return the files by name that are made in ``folder``; the last ones can't be asked."""
    odd = folder / "dir with space ünï"
    odd.mkdir(parents=True)
    scripts = {
        "unicode": UNICODE,
        "mixed": MIXED,
        "bad_text": BAD_TEXT,
        "views": VIEWS,
        "empty_table": EMPTY_TABLE,
        "tables": many_tables(columns=20, rows=20),
        "columns": many_columns(),
        "no_tables": "",
    }
    files = {"trade": made(odd / "a#b?c%20.sqlite", TRADE)}
    files["trade"].chmod(0o444)
    files |= {name: made(folder / f"{name}.sqlite", script) for name, script in scripts.items()}
    unreadable = corrupt, truncated, encrypted
    return files | {make.__name__: make(folder / f"{make.__name__}.sqlite") for make in unreadable}


if __name__ == "__main__":
    print("[databases]")
    for name, file in make_all(Path(sys.argv[1]).absolute()).items():
        print(f"{name} = '{file}'")
