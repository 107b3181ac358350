"""Tables that most questions share come first, and the order seldom changes."""

from __future__ import annotations

from plugins.text2sql.linking.join_paths import JoinGraph
from plugins.text2sql.linking.table_order import TableOrder
from tests.plugins.text2sql.linking.warehouse import schema, table

GRAPH = JoinGraph(schema(table("a"), table("b", ("id",), "c"), table("c"), table("d", ("id",), "c")))


def test_before_any_history_foreign_keys_decide_then_names() -> None:
    """Each table once."""
    assert TableOrder(GRAPH).sorted(["a", "b", "c", "d", "b"]) == ["c", "b", "d", "a"]


def test_the_order_follows_the_questions_only_when_they_have_doubled() -> None:
    """After 8, 16, 32 … questions: in 1,000 it changes 7 times at most."""
    order = TableOrder(GRAPH)
    seen = [tuple(order.sorted("abcd"))]
    for number in range(1000):
        order.needed(["a"] if number % 3 else ["a", "d"])
        now = tuple(order.sorted("abcd"))
        if number + 1 < 8:
            assert now == seen[0]
        if now != seen[-1]:
            seen.append(now)
    assert seen[-1] == ("a", "d", "c", "b")
    assert len(seen) <= 8


def test_history_outlives_a_changed_schema() -> None:
    """What is needed of the tables that remain is still known."""
    order = TableOrder(GRAPH)
    for _ in range(8):
        order.needed(["a"])
    order.renew(JoinGraph(schema(table("a"), table("e", ("id",), "f"), table("f"))))
    assert order.sorted("efa") == ["a", "e", "f"]
