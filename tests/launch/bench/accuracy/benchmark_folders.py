"""Two small databases, and folders with questions about them in the form of each benchmark."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

BAKERY = """
CREATE TABLE cakes (id INTEGER PRIMARY KEY, name TEXT, price REAL, baked TEXT);
INSERT INTO cakes VALUES (1, 'Opéra', 4.5, '2024-05-01'), (2, 'Sacher', 4.0, '2024-05-02'),
    (3, 'Battenberg', 3.0, NULL), (4, 'Parkin', 3.0, '2024-05-02');
"""
FEWER_CAKES = "CREATE TABLE cakes (id INTEGER PRIMARY KEY, name TEXT, price REAL, baked TEXT);"
LIBRARY = """
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, pages INTEGER);
CREATE TABLE loans (book INTEGER REFERENCES books (id), days INTEGER);
INSERT INTO books VALUES (1, 'Emma', 474), (2, 'Ulysses', 732), (3, 'Momo', 304);
INSERT INTO loans VALUES (1, 7), (1, 14), (3, 21);
"""
Asked = tuple[str, str, str, str, str]
QUESTIONS: Sequence[Asked] = (
    ("bakery", "How many cakes are there?", "SELECT count(*) FROM cakes", "", "simple"),
    ("bakery", "Which cakes are cheap?", "SELECT name FROM cakes WHERE price < 4", "cheap: < 4", "simple"),
    ("bakery", "Names and prices?", "SELECT name, price FROM cakes", "", "moderate"),
    ("library", "Titles, the longest first?", "SELECT title FROM books ORDER BY pages DESC", "", "moderate"),
    ("library", "Which book was lent?", "SELECT DISTINCT book FROM loans", "", "challenging"),
    ("library", "How long were loans?", "SELECT sum(days) FROM loans", "", "challenging"),
)
"""Database, question, right SQL, evidence, difficulty."""


def database(path: Path, script: str) -> Path:
    """Make a database and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def bird_folder(folder: Path, lines: bool = False) -> Path:
    """Make a folder of BIRD's mini-dev set; with ``lines`` in JSON Lines and Latin-1."""
    for name, script in (("bakery", BAKERY), ("library", LIBRARY)):
        database(folder / "dev_databases" / name / f"{name}.sqlite", script)
    described = folder / "dev_databases" / "bakery" / "database_description"
    described.mkdir()
    text = "original_column_name,column_name,column_description,data_format,value_description\n"
    (described / "cakes.csv").write_text(text + "price,,euros for a cake,real,\n", "utf-8-sig")
    entries = [
        {"db_id": db, "question": asked, "SQL": sql, "evidence": evidence, "difficulty": difficulty}
        for db, asked, sql, evidence, difficulty in QUESTIONS
    ]
    if lines:
        entries[0]["question"] = "Combien de gâteaux?"
        text = "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        (folder / "mini_dev_sqlite.jsonl").write_text(text, "latin-1")
    else:
        (folder / "mini_dev_sqlite.json").write_text(json.dumps(entries), "utf-8")
    return folder


def spider_folder(folder: Path) -> Path:
    """Make a folder of Spider's test-suite edition: the bakery has a second database."""
    database(folder / "database" / "bakery" / "bakery.sqlite", BAKERY)
    database(folder / "database" / "bakery" / "bakery_empty.sqlite", FEWER_CAKES)
    database(folder / "database" / "library" / "library.sqlite", LIBRARY)
    entries = [{"db_id": db, "question": asked, "query": sql} for db, asked, sql, *_ in QUESTIONS]
    (folder / "dev.json").write_text(json.dumps(entries), "utf-8")
    return folder


def spider2_folder(folder: Path) -> Path:
    """Make a folder of Spider 2-lite, with a question on another engine and one without a right result."""
    for name, script in (("bakery", BAKERY), ("library", LIBRARY)):
        database(folder / "resource" / "databases" / "spider2-localdb" / f"{name}.sqlite", script)
    documents = folder / "resource" / "documents"
    documents.mkdir(parents=True)
    (documents / "cakes.md").write_text("cheap: < 4\n", "utf-8")
    entries = [
        {
            "instance_id": f"local{place:03}",
            "db": db,
            "question": asked,
            "external_knowledge": "cakes.md" if evidence else None,
        }
        for place, (db, asked, _, evidence, _) in enumerate(QUESTIONS)
    ]
    entries.append({"instance_id": "bq001", "db": "cloud", "question": "?", "external_knowledge": None})
    entries.append({"instance_id": "local999", "db": "bakery", "question": "?", "external_knowledge": None})
    _lines(folder / "spider2-lite.jsonl", entries)
    gold = folder / "evaluation_suite" / "gold"
    (gold / "exec_result").mkdir(parents=True)
    for name, text in RIGHT_RESULTS.items():
        (gold / "exec_result" / f"{name}.csv").write_text(text, "utf-8")
    rules = {f"local{place:03}": {"condition_cols": [], "ignore_order": True} for place in range(6)}
    rules["local002"] = {"condition_cols": [[0], [1]], "ignore_order": True}
    rules["local005"] = {"condition_cols": 0, "ignore_order": True}
    rules["local003"] = {"condition_cols": [], "ignore_order": False}
    _lines(gold / "spider2lite_eval.jsonl", [{"instance_id": name, **rule} for name, rule in rules.items()])
    return folder


RIGHT_RESULTS = {
    "local000": "count\n4\n",
    "local001": "name\nBattenberg\nParkin\n",
    "local002_a": "name,price\nOpéra,0\nSacher,0\nBattenberg,0\nParkin,0\n",
    "local002_b": "name,price\n,4.5\n,4\n,3\n,3\n",
    "local003": "title\nUlysses\nEmma\nMomo\n",
    "local004": "book\n1\n3\n",
    "local005": "days,books\n42,9\n",
}


def _lines(path: Path, entries: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
