"""Numbers in SQL about one question: those that it states, and what goes unsaid."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.statements import MAX_LENGTH, sql_tree
from plugins.text2sql.demo.grammar.tree import max_length, to_ebnf
from plugins.text2sql.demo.grammar.values import values_about
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiled, sample


@pytest.fixture(scope="module")
def shop(registry: DatabaseRegistry) -> DatabaseSchema:
    return registry.schema("shop")


def allows(schema: DatabaseSchema, question: str, statement: str) -> bool:
    tables = [table.name for table in schema.tables if f" {table.name} " in f"{statement} "]
    tree = sql_tree(schema, tables, values_about(schema, question, ()))
    return accepts(compiled(to_ebnf(tree)), f"SELECT {statement}")


@pytest.mark.parametrize(
    ("question", "allowed", "refused"),
    [
        ("products over €1,250", "price > 1250", "price > 125"),
        ("products for 9,99", "price = 9.99", "price = 9"),
        ("products for less than 24.50 euros", "price < 24.5", "price < 245"),
        ("products between 65 and 282 euros", "price BETWEEN 65 AND 282", "price BETWEEN 65 AND 65"),
        ("products between 65 and 282 euros", "price <= 282", "price BETWEEN 282 AND 65"),
        ("stock from 282 down to 65", "stock BETWEEN 65 AND 282", "stock > 6"),
        ("stock of seven to a dozen", "stock BETWEEN 7 AND 12", "stock BETWEEN 1 AND 12"),
        ("what is sold out?", "stock = 0", "stock = 12"),
        ("what costs more than average?", "price > (SELECT avg(price) FROM products)", "price > 410"),
        ("products that cost over 2 thousand", "price > 2000", "price > x"),  # any number may be meant
        ("products over 1.500 euros", "price > 1500", "price > x"),
        ("products for fifteen euros", "price = 15", "price = x"),
        (
            "over 0 euros, sold out, with at least one letter",
            "price > 0 AND stock = 0",
            "price > 0 AND stock = 2",
        ),
        ("over 5 and under 40", "price > 5 AND price < 40", "price > 50"),
        ("more than 5, less than 5", "price > 5", "price = 6"),
        ("products launched on 2021-03-04", "launched_on = '2021-03-04'", "price > 2021"),
    ],
)
def test_numbers_are_those_of_the_question(
    shop: DatabaseSchema, question: str, allowed: str, refused: str
) -> None:
    """A number can't be miscopied; zero, one and the mean go unsaid."""
    assert allows(shop, question, f"name FROM products WHERE {allowed}")
    assert not allows(shop, question, f"name FROM products WHERE {refused}")


@pytest.mark.parametrize("sign", ["=", "<", "<=", ">", ">="])
def test_a_number_may_be_compared_either_way(shop: DatabaseSchema, sign: str) -> None:
    """Which way the question says binds nothing, in rows nor in groups; the number is still its own."""
    question = "names of more than 3 products"
    assert allows(shop, question, f"name FROM products WHERE stock {sign} 3")
    assert allows(shop, question, f"name FROM products GROUP BY name HAVING count(*) {sign} 3")
    assert not allows(shop, question, f"name FROM products WHERE stock {sign} 4")


@pytest.mark.parametrize(
    ("question", "allowed", "refused"),
    [
        ("top products", " LIMIT 1", " LIMIT 3"),
        ("top 12 products", " LIMIT 12", " LIMIT 2"),
        ("the three cheapest products", " LIMIT 3", " LIMIT 5"),
        ("the cheapest product, are there any?", " LIMIT 1", " LIMIT 3"),
        ("Ten products with the largest stock", " LIMIT 10", " LIMIT 1"),
        ("the cheapest products over 10 euros", " LIMIT 1", " LIMIT 5"),
        ("100 products with 2000 in stock", " LIMIT 100", " LIMIT 2000"),
        ("up to 5 of the most expensive products", " LIMIT 5", " LIMIT 2"),
        ("7 products over 10 euros, cheapest first", " LIMIT 7", " LIMIT 10"),
        ("five 5-star products, newest first", " LIMIT 5", " LIMIT 4"),
        (
            "products with 30 orders",
            " GROUP BY name HAVING count(*) > 30",
            " GROUP BY name HAVING count(*) > 3",
        ),
        ("popular products", " GROUP BY name HAVING count(*) > 3", " GROUP BY name HAVING count(*) > 30"),
    ],
)
def test_counts_are_those_of_the_question(
    shop: DatabaseSchema, question: str, allowed: str, refused: str
) -> None:
    """So are limits of rows and of groups; a small limit of groups may go unsaid."""
    assert allows(shop, question, f"name FROM products{allowed}")
    assert not allows(shop, question, f"name FROM products{refused}")


def test_a_scale_is_known(shop: DatabaseSchema) -> None:
    """Good reviews have a rating that nobody says; other columns aren't so."""
    question = "10 good reviews"
    assert allows(shop, question, "title FROM reviews WHERE rating >= 4 LIMIT 10")
    assert not allows(shop, question, "title FROM reviews WHERE rating >= 6")
    assert not allows(shop, question, "title FROM reviews WHERE id >= 4")


@pytest.mark.parametrize("comparison", ["= '2021-02-28'", "<= '2021-07-01'", "LIKE '2021%'"])
def test_any_day_and_year_may_be_meant(shop: DatabaseSchema, comparison: str) -> None:
    """A question binds no date, though it states one."""
    assert allows(shop, "Orders since May 2023", f"id FROM orders WHERE ordered_on {comparison}")
    assert allows(shop, "Orders since May 2023", "id FROM orders")


@pytest.mark.parametrize(
    ("question", "month"),
    [
        ("Orders in March 2024", True),
        ("orders from mar to june", True),
        ("orders of this month", True),
        ("orders 2024-03", True),
        ("orders between 3 May 2024 and July 2024", True),
        ("Orders in 2024", False),
        ("Orders of this year", False),
        ("Orders up to 22 May 2022", False),
        ("Orders since May 5, 2023", False),
        ("Orders before the 5th of June 2023", False),
        ("Orders on 2024-03-05", False),
    ],
)
def test_a_whole_month_is_one_that_the_question_names(
    shop: DatabaseSchema, question: str, month: bool
) -> None:
    """A year has no month added, and a day isn't taken for its month; of missing rows, either."""
    for condition in (
        "ordered_on LIKE '2024-03%'",
        "id NOT IN (SELECT order_id FROM shipments WHERE shipped_on LIKE '2024-03%')",
    ):
        assert allows(shop, question, f"id FROM orders WHERE {condition}") is month, condition
    assert allows(shop, question, "id FROM orders WHERE ordered_on LIKE '2024%'")


def test_what_is_bound_ends_within_the_limit(shop: DatabaseSchema) -> None:
    """However much a question states, every statement keeps to the bound that the workflow counts on."""
    question = f"{' '.join(map(str, range(10, 60)))} {'9' * 30} May 2023 to June 2024 or 2021-02-03"
    tree = sql_tree(shop, values=values_about(shop, question, ()))
    rng = random.Random(3)
    drawn = " ".join(sample(tree, rng) for _ in range(300))
    assert "9" * 30 not in drawn
    assert max_length(tree) <= MAX_LENGTH


@pytest.mark.parametrize("samples", [(12,), ()])
def test_a_column_of_one_value_or_none_is_asked_like_any(
    shop: DatabaseSchema, samples: tuple[int, ...]
) -> None:
    """Where all rows have the same, or nothing, the ends of the column are no pair."""
    (products,) = shop.select(["products"])
    columns = (
        replace(column, samples=samples) if column.name == "stock" else column for column in products.columns
    )
    flat = DatabaseSchema((replace(products, columns=tuple(columns)),))
    assert allows(flat, "products with 7 in stock", "name FROM products WHERE stock = 7")
