"""Linked tables come with those that join them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql.linking.join_paths import JoinGraph
from tests.plugins.text2sql.linking.warehouse import schema, table

# customers <- orders <- items -> products -> makers; regions stand alone.
SHOP = schema(
    table("customers"),
    table("orders", ("id",), "Customers"),
    table("items", ("id",), "orders", "products"),
    table("products", ("id",), "makers", "gone"),
    table("makers", ("id",), "makers"),
    table("regions"),
)


def test_tables_between_linked_ones_are_added() -> None:
    """In either direction of a foreign key, whatever the case of its target; a joined pair needs none."""
    graph = JoinGraph(SHOP)
    assert graph.connected(["customers", "products"]) == ["customers", "orders", "items", "products"]
    assert graph.connected(["makers", "products"]) == ["makers", "products"]
    assert graph.connected(["customers", "regions"]) == ["customers", "regions"]
    assert graph.connected(["orders", "orders"]) == ["orders"]
    assert [graph.degree(name) for name in ("items", "makers", "regions")] == [2, 1, 0]


def test_names_that_differ_in_case_alone_are_two_tables() -> None:
    """As PostgreSQL has them: each key refers to its own."""
    graph = JoinGraph(
        schema(table("Orders"), table("orders"), table("a", ("id",), "Orders"), table("b", ("id",), "orders"))
    )
    assert graph.between(["Orders"], "a") == []
    assert graph.between(["orders"], "b") == []
    assert graph.between(["orders"], "a") is None


def test_the_shortest_way_is_taken_and_ties_are_by_name() -> None:
    """A longer way round is none, and two equal ones don't change places."""
    square = schema(
        table("a", ("id",), "left", "right", "far"),
        table("left", ("id",), "b"),
        table("right", ("id",), "b"),
        table("far", ("id",), "further"),
        table("further", ("id",), "b"),
        table("b"),
    )
    assert JoinGraph(square).connected(["a", "b"]) == ["a", "left", "b"]
    assert JoinGraph(square).connected(["b", "a"]) == ["b", "left", "a"]


def test_what_is_far_apart_stands_alone() -> None:
    """In a chain of nine, the ends are joined by nobody; with one linked between them they are."""
    chain = JoinGraph(schema(*(table(f"t{n}", ("id",), *([f"t{n + 1}"] if n < 8 else [])) for n in range(9))))
    assert chain.connected(["t0", "t5"]) == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert chain.connected(["t0", "t6"]) == ["t0", "t6"]
    assert len(chain.connected(["t0", "t6", "t3"])) == 7


NAMES = [f"t{number}" for number in range(6)]


@given(
    keys=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=10),
    linked=st.lists(st.sampled_from(NAMES), unique=True, max_size=5),
)
def test_what_can_be_joined_is_joined(keys: list[tuple[str, str]], linked: list[str]) -> None:
    """Whatever the foreign keys: all linked tables of one component are connected by what is returned."""
    targets = {name: sorted({b for a, b in keys if a == name}) for name in NAMES}
    found = JoinGraph(schema(*(table(n, ("id",), *targets[n]) for n in NAMES))).connected(linked)
    assert set(linked) <= set(found)
    assert len(found) == len(set(found))

    def component(start: str, within: set[str]) -> set[str]:
        reached, queue = {start}, [start]
        for name in queue:
            for a, b in keys:
                other = b if a == name else a if b == name else None
                if other in within and other not in reached:
                    reached.add(other)
                    queue.append(other)
        return reached

    for name in linked:
        assert component(name, set(NAMES)) & set(linked) == component(name, set(found)) & set(linked)
