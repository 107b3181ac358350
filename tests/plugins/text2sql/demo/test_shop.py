"""The demo database is the same every time, large enough and free of contradictions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.demo.shop import LAST_DAY, build_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("shop") / "new folder" / "shop.sqlite"
    build_shop(path)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def tables_of(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]


def test_the_shop_is_large_enough(shop: sqlite3.Connection) -> None:
    """At least six tables, 10,000 rows and six foreign keys; every table has a primary key."""
    tables = tables_of(shop)
    rows = sum(shop.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
    keys = sum(len(shop.execute(f"PRAGMA foreign_key_list({table})").fetchall()) for table in tables)
    assert len(tables) >= 6
    assert rows >= 10_000
    assert keys >= 6
    for table in tables:
        assert any(column[5] for column in shop.execute(f"PRAGMA table_info({table})")), table


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two builds are equal byte for byte; another seed differs; nothing else is left behind."""
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        build_shop(tmp_path / name, seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_failed_build_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is replaced in one step: a build that fails leaves the old one and no rubbish."""
    path = tmp_path / "shop.sqlite"
    path.write_text("old")
    schema = tmp_path / "schema.sql"
    schema.write_text("CREATE TABLE categories (id);")
    monkeypatch.setattr("plugins.text2sql.demo.shop._SCHEMA", schema)
    with pytest.raises(sqlite3.Error):
        build_shop(path)
    assert path.read_text() == "old"
    assert set(tmp_path.iterdir()) == {path, schema}


CONTRADICTIONS = {
    "total is items plus shipping": """
        SELECT o.id FROM orders o JOIN order_items i ON i.order_id = o.id GROUP BY o.id
        HAVING abs(o.total - o.shipping_fee - sum(i.quantity * i.unit_price)) > 0.005""",
    "an order has items": "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM order_items)",
    "ordered after sign-up": """
        SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id
        WHERE o.ordered_on < c.signed_up_on""",
    "ordered after launch": """
        SELECT i.id FROM order_items i JOIN orders o ON o.id = i.order_id
        JOIN products p ON p.id = i.product_id WHERE o.ordered_on < p.launched_on""",
    "shipped after ordered, delivered after shipped": """
        SELECT s.id FROM shipments s JOIN orders o ON o.id = s.order_id
        WHERE s.shipped_on <= o.ordered_on OR s.delivered_on <= s.shipped_on""",
    "shipments match the status": """
        SELECT o.id FROM orders o LEFT JOIN shipments s ON s.order_id = o.id
        WHERE (o.status IN ('shipped', 'delivered', 'returned')) <> (s.id IS NOT NULL)
        OR (o.status IN ('delivered', 'returned')) <> (s.delivered_on IS NOT NULL)""",
    "reviewers got the product first": """
        SELECT r.id FROM reviews r WHERE NOT EXISTS (
          SELECT 1 FROM orders o JOIN order_items i ON i.order_id = o.id
          JOIN shipments s ON s.order_id = o.id WHERE o.customer_id = r.customer_id
          AND i.product_id = r.product_id AND s.delivered_on <= r.reviewed_on)""",
    "cost below price": "SELECT id FROM products WHERE cost >= price OR cost <= 0",
    "product names are unique": "SELECT name FROM products GROUP BY name HAVING count(*) > 1",
    "nothing in the future": f"""
        SELECT id FROM orders WHERE ordered_on > '{LAST_DAY}' UNION ALL
        SELECT id FROM shipments WHERE max(shipped_on, ifnull(delivered_on, '')) > '{LAST_DAY}'
        UNION ALL SELECT id FROM reviews WHERE reviewed_on > '{LAST_DAY}'""",
}


@pytest.mark.parametrize("rule", CONTRADICTIONS)
def test_the_rows_agree(shop: sqlite3.Connection, rule: str) -> None:
    """No row contradicts another."""
    assert shop.execute(CONTRADICTIONS[rule]).fetchall() == []


def test_foreign_keys_hold(shop: sqlite3.Connection) -> None:
    """Every reference has its row."""
    assert shop.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_command_line_builds_it(tmp_path: Path) -> None:
    """``python -m plugins.text2sql.demo.shop PATH`` writes the database."""
    path = tmp_path / "shop.sqlite"
    subprocess.run([sys.executable, "-m", "plugins.text2sql.demo.shop", str(path)], check=True, timeout=240)
    with closing(sqlite3.connect(path)) as connection:
        assert "orders" in tables_of(connection)
