"""Texts in SQL about one question: found values, choices and its words; names that it must use."""

from __future__ import annotations

import random

import pytest
import xgrammar

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.statements import MAX_LENGTH, sql_tree
from plugins.text2sql.demo.grammar.texts import Name, texts_about
from plugins.text2sql.demo.grammar.tree import Node, max_length, to_ebnf
from plugins.text2sql.demo.grammar.values import values_about
from tests.plugins.text2sql.databases.running_statements import AMPLE
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiled, sample, sql_grammar, walk

QUESTION = "How many orders did bruno O'Brian from Köln place?"
FOUND = ("customers.first_name = 'Bruno'", "suppliers.name = 'O''Hara Goods'")


def tree_about(schema: DatabaseSchema, question: str, *found: str) -> Node:
    return sql_tree(schema, values=values_about(schema, question, found))


@pytest.fixture(scope="module")
def shop(registry: DatabaseRegistry) -> DatabaseSchema:
    return registry.schema("shop")


@pytest.fixture(scope="module")
def bound(shop: DatabaseSchema) -> xgrammar.CompiledGrammar:
    return compiled(to_ebnf(tree_about(shop, QUESTION, *FOUND)))


@pytest.fixture(scope="module")
def two_names(shop: DatabaseSchema) -> xgrammar.CompiledGrammar:
    found = ("customers.last_name = 'Rossi'", "customers.city = 'Rome'", "suppliers.city = 'Rome'")
    tree = tree_about(shop, "how many orders has rossi in rome", *found, "customers.last_name = 'Rossini'")
    return compiled(to_ebnf(tree))


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ("first_name = 'Bruno'", True),  # found, though the question has small letters
        ("first_name = 'bruno'", False),
        ("first_name = 'Anna'", False),
        ("country = 'Germany'", True),  # a choice
        ("country = 'Köln'", False),
        ("city = 'Köln'", True),  # nothing is found: the question's words with capitals
        ("last_name = 'O''Brian'", True),
        ("last_name = 'orders'", False),
        ("last_name = 'How'", False),
        ("last_name = 'Brian From Köln'", True),  # capitalised
        ("last_name = 'Braun'", False),
        ("city <> 'Berlin'", False),
        ("country = 'Germany' AND city = 'Köln'", True),
        ("city LIKE '%Köln%'", True),
        ("city LIKE '%from Köln%'", False),
        ("city LIKE '%Berlin%'", False),
        ("city IS NULL", False),
        ("id > 1", True),
    ],
)
def test_texts_are_bound(bound: xgrammar.CompiledGrammar, condition: str, allowed: bool) -> None:
    """A name can't be misspelt, wherever it comes from."""
    assert accepts(bound, f"SELECT id FROM customers WHERE {condition}") is allowed


def test_joins_are_bound_as_well(bound: xgrammar.CompiledGrammar) -> None:
    """A found value is quoted as SQL wants it, and only its own column has it."""
    join = "SELECT count(*) FROM products JOIN suppliers ON products.supplier_id = suppliers.id WHERE "
    assert accepts(bound, f"{join}suppliers.name = 'O''Hara Goods'")
    assert not accepts(bound, f"{join}products.name = 'O''Hara Goods'")


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("SELECT count(*) FROM customers WHERE city = 'Rome' AND last_name = 'Rossi'", True),
        ("SELECT count(*) FROM customers WHERE last_name = 'Rossi' AND city = 'Rome'", True),
        ("SELECT id FROM customers WHERE id > 1 AND city = 'Rome' AND last_name = 'Rossi' AND id < 5", True),
        # The question excludes nobody.
        (
            "SELECT id FROM customers WHERE id > 1 AND city = 'Rome' AND last_name <> 'Rossi' AND id < 5",
            False,
        ),
        ("SELECT id FROM customers WHERE email = 'orders' AND city = 'Rome' AND last_name = 'Rossi'", True),
        ("SELECT id FROM customers WHERE email = 'has' AND city = 'Rome' AND last_name = 'Rossi'", False),
        (
            "SELECT id FROM customers WHERE first_name = 'rome' AND city = 'Rome' AND last_name = 'Rossi'",
            False,
        ),
        ("SELECT count(*) FROM customers WHERE city = 'Rome'", False),
        ("SELECT count(*) FROM customers WHERE city = 'Rome' AND city = 'Rome'", False),
        ("SELECT count(*) FROM customers", False),
        ("SELECT count(*) FROM suppliers WHERE city = 'Rome'", False),
        ("SELECT count(*) FROM customers WHERE city = 'Rome' AND last_name = 'Rossini'", False),
        # What asks is no value.
        (
            "SELECT id FROM customers WHERE first_name = 'many' AND city = 'Rome' AND last_name = 'Rossi'",
            False,
        ),
    ],
)
def test_names_are_not_forgotten(two_names: xgrammar.CompiledGrammar, statement: str, allowed: bool) -> None:
    """Each name of the question is used once, in any order and among other conditions."""
    assert accepts(two_names, statement) is allowed


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Which young customers live in Rome?", "customers.last_name = 'Young'"),
        ("which orders are paid by card", "orders.status = 'paid'"),
        ("how were the orders of anna paid", "orders.status = 'paid'"),
        ("customers who paid over 100 euros", "orders.status = 'paid'"),
        ("the different home countries of suppliers", "categories.department = 'Home'"),
        ("what's their home town", "categories.department = 'Home'"),
        ("what is the average rating", "reviews.title = 'Average'"),
        ("What was shipped in May?", "orders.status = 'shipped'"),  # shipped_on is a column
    ],
)
def test_common_words_need_not_be_names(shop: DatabaseSchema, question: str, found: str) -> None:
    """A small word among capital ones, a word of a column's name and a few others may mean something else."""
    assert not texts_about(shop, question, [found]).named


def test_a_common_word_may_still_be_meant(shop: DatabaseSchema) -> None:
    """The model may ask for paid orders, though the question doesn't bind it to."""
    grammar = compiled(to_ebnf(tree_about(shop, "which orders are paid")))
    assert accepts(grammar, "SELECT id FROM orders WHERE status = 'paid'")
    assert accepts(grammar, "SELECT id FROM orders")


def test_without_other_words_nothing_else_is_asked(shop: DatabaseSchema) -> None:
    """Where the only word with a capital is a stored name, no other column can be compared with a text."""
    grammar = compiled(to_ebnf(tree_about(shop, "Which customers live in Rome?", "customers.city = 'Rome'")))
    start = "SELECT email FROM customers WHERE city = 'Rome'"
    assert accepts(grammar, f"{start} AND country = 'Italy' AND id > 3")
    for other in (
        "first_name = 'Which'",
        "first_name = 'Live'",
        "last_name LIKE '%live%'",
        "last_name IS NULL",
    ):
        assert not accepts(grammar, f"{start} AND {other}")


def test_a_found_part_of_names_can_be_compared_with(shop: DatabaseSchema) -> None:
    """It is spelt as it is stored, which the question need not do."""
    found = "customers.last_name LIKE '%Berg%'"
    grammar = compiled(to_ebnf(tree_about(shop, "Which customers are called bergs?", found)))
    assert accepts(grammar, f"SELECT email FROM customers WHERE {found.removeprefix('customers.')}")
    assert not accepts(grammar, "SELECT email FROM customers WHERE last_name LIKE '%Burg%'")


def test_one_of_several_names_in_a_place_is_enough(shop: DatabaseSchema) -> None:
    """A column has one value in a row, so both would find nothing; the longer of two names is meant."""
    places = ("customers", "city")
    found = [f"customers.city = '{city}'" for city in ("Rome", "Paris")]
    texts = texts_about(shop, "Customers in Rome or Paris", found)
    assert texts.named == [Name({places: ["'Rome'", "'Paris'"]}, joined=True, excluded=False)]
    assert texts.taken == {places}
    found += [f.replace("customers", "suppliers") for f in found]
    texts = texts_about(shop, "Customers in Rome who buy from Paris", found)
    assert not texts.named[0].joined
    assert not texts.taken  # one may be the supplier's
    names = ("suppliers.name = 'Bauer GmbH'", "customers.last_name = 'Bauer'")
    assert [list(name.places) for name in texts_about(shop, "all of Bauer GmbH", names).named] == [
        [("suppliers", "name")]
    ]


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("orders delivered or cancelled", "orders.status IN ('delivered', 'cancelled')"),
        ("customers in Köln or Rome", "customers.city IN ('Köln', 'Rome')"),
        ("Electronics and home products", "categories.department IN ('Electronics', 'Home')"),
    ],
)
def test_two_names_said_together_are_in_one_place(
    shop: DatabaseSchema, question: str, condition: str
) -> None:
    """Even if one is a common word, or is stored elsewhere too."""
    found = [f"orders.status = '{status}'" for status in ("delivered", "cancelled")]
    found += [f"categories.department = '{name}'" for name in ("Electronics", "Home")]
    found += ["customers.city = 'Köln'", "suppliers.city = 'Köln'", "customers.city = 'Rome'"]
    (named,) = texts_about(shop, question, found).named
    ((place, texts),) = named.places.items()
    assert condition == f"{'.'.join(place)} IN ({', '.join(texts)})"


@pytest.mark.parametrize(
    ("question", "joined", "excluded"),
    [
        ("customers from Sweden or the Netherlands", True, False),
        ("customers from Sweden, Netherlands and Italy", True, False),
        ("customers neither in Sweden nor in Italy", True, True),
        ("customers never seen in Sweden or Italy", True, None),
        ("customers from Sweden, suppliers of Italy", False, False),
        ("customers from Sweden with orders", False, False),
        ("customers not in Sweden, suppliers of Italy", False, None),
    ],
)
def test_joined_names_are_all_in_one_comparison(
    shop: DatabaseSchema, question: str, joined: bool, excluded: bool | None
) -> None:
    """Of names with only a link between them none is left out, and nothing else is asked of their column.

    What the question excludes isn't included, nor the other way round.
    """
    found = [f"customers.country = '{name}'" for name in ("Sweden", "Netherlands", "Italy")]
    (named,) = texts_about(shop, question, found).named
    assert (named.joined, named.excluded) == (joined, excluded)
    grammar = compiled(to_ebnf(sql_tree(shop, ["customers"], values_about(shop, question, found))))
    start = "SELECT email FROM customers WHERE country"
    assert accepts(grammar, f"{start} = 'Sweden'") != joined
    all_ = ", ".join(named.places["customers", "country"])
    assert accepts(grammar, f"{start} NOT IN ({all_})") == ("," in all_ and excluded is not False)
    assert accepts(grammar, f"{start} IN ({all_})") == ("," in all_ and excluded is not True)
    assert not accepts(grammar, f"{start} IN ({all_}) AND country = 'Sweden'")


def test_a_common_word_before_its_table_is_a_name(shop: DatabaseSchema) -> None:
    """What was shipped in May may be said of a date; shipped orders are in that state."""
    found = ("orders.status = 'shipped'",)
    assert texts_about(shop, "all shipped orders", found).named
    assert not texts_about(shop, "all orders shipped", found).named


def test_a_common_word_at_the_beginning_is_no_name(shop: DatabaseSchema) -> None:
    """There every word has a capital; elsewhere it tells a name from a word."""
    found = ("reviews.title = 'Average'",)
    assert not texts_about(shop, "Average price in Rome", found).named
    assert texts_about(shop, "Price of products called Average", found).named


def test_choices_are_used_as_well(shop: DatabaseSchema) -> None:
    """A named choice is no longer forgotten; where one column alone holds it, that is asked nothing else."""
    found = ["orders.payment_method = 'card'", "customers.country = 'Spain'", "suppliers.country = 'Spain'"]
    grammar = compiled(to_ebnf(tree_about(shop, "How many orders by card from Spain?", *found)))
    start = "SELECT count(*) FROM orders JOIN customers ON orders.customer_id = customers.id WHERE "
    both = "orders.payment_method = 'card' AND customers.country = 'Spain'"
    assert accepts(grammar, f"{start}{both}")
    assert accepts(grammar, f"{start}{both} AND customers.segment <> 'premium'")
    assert not accepts(grammar, f"{start}{both} AND customers.country <> 'Italy'")
    assert not accepts(grammar, f"{start}{both} AND orders.payment_method = 'invoice'")
    assert not accepts(grammar, f"{start}customers.country = 'Spain'")


def test_a_name_in_two_tables_leaves_the_other_column_open(shop: DatabaseSchema) -> None:
    """Where suppliers and customers are joined, either may be the Polish ones; suppliers alone are Polish."""
    found = ["customers.country = 'Poland'", "suppliers.country = 'Poland'"]
    grammar = compiled(to_ebnf(tree_about(shop, "what did Dutch customers order from Poland", *found)))
    joins = (
        "order_items JOIN orders ON order_items.order_id = orders.id"
        " JOIN products ON order_items.product_id = products.id"
        " JOIN customers ON orders.customer_id = customers.id"
        " JOIN suppliers ON products.supplier_id = suppliers.id"
    )
    dutch = "customers.country = 'Netherlands' AND suppliers.country = 'Poland'"
    assert accepts(grammar, f"SELECT products.name FROM {joins} WHERE {dutch}")
    alone = "SELECT name FROM suppliers WHERE country = 'Poland'"
    assert accepts(grammar, alone)
    assert not accepts(grammar, f"{alone} AND country <> 'Poland'")


def test_a_year_is_no_name(shop: DatabaseSchema) -> None:
    """A text of the question doesn't begin with a number; one that ends with it may be a name."""
    grammar = compiled(to_ebnf(tree_about(shop, "What did Anna review in 2023, Area 51?")))
    start = "SELECT id FROM customers WHERE last_name ="
    assert not accepts(grammar, f"{start} '2023'")
    assert not accepts(grammar, f"{start} '2023 Area'")
    assert accepts(grammar, f"{start} 'Area 51'")


def test_names_that_no_source_has_together_are_not_needed(shop: DatabaseSchema) -> None:
    """Shipments tell nothing of suppliers' names: the statements are those without the need."""
    tree = tree_about(shop, "All of Bauer GmbH", "suppliers.name = 'Bauer GmbH'")
    assert all("Bauer" in sample(tree, random.Random(seed)) for seed in range(20))
    alone = sql_tree(shop, ["reviews"], values_about(shop, "Bauer GmbH", ["suppliers.name = 'Bauer GmbH'"]))
    assert " FROM reviews" in sample(alone, random.Random(1))


def test_no_statement_gets_too_long(shop: DatabaseSchema) -> None:
    """Texts longer than a free one could be are left out, so that the length stays bounded."""
    question = f"so {'東' * 40} {'x' * 40} {'y' * 41} it's"
    tree = tree_about(shop, question, f"customers.city = '{'z' * 90}'")
    ebnf = to_ebnf(tree)
    assert max_length(tree) <= MAX_LENGTH
    assert "東" not in ebnf
    assert "zzz" not in ebnf
    assert "x" * 40 in ebnf
    assert "y" * 41 not in ebnf


@pytest.mark.parametrize("question", ["???", "", "x" * 500])
def test_a_question_without_words_changes_nothing(shop: DatabaseSchema, question: str) -> None:
    """There is nothing to choose from then."""
    assert to_ebnf(tree_about(shop, question)) == sql_grammar(shop)


async def test_what_is_bound_runs(registry: DatabaseRegistry, shop: DatabaseSchema) -> None:
    """Whatever byte is taken of those allowed, an end comes within the limit and SQL that runs."""
    tree = tree_about(shop, "Orders of Anna Rossi", "customers.first_name = 'Anna'", *FOUND)
    grammar = compiled(to_ebnf(tree))
    rng = random.Random(4)
    for _ in range(15):
        statement = walk(grammar, rng)
        assert len(statement.encode()) <= max_length(tree)
        assert "'Anna'" in statement
        assert (await registry.execute("shop", statement, AMPLE)).ok
