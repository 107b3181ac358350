"""What speaks against the demo model's SQL, and what becomes of it."""

from __future__ import annotations

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.demo.doubts.doubts import doubt
from plugins.text2sql.prompts.layout import Topic
from tests.plugins.text2sql.scripted_shop import RIGHT, run, scripted
from tests.plugins.text2sql.scripted_steps import Call

TWICE = "SELECT city, city FROM customers WHERE country = 'Germany'"
ELSEWHERE = "SELECT count(*) FROM customers WHERE country = 'Spain'"


@pytest.mark.parametrize(
    ("question", "sql", "said"),
    [
        ("cost and price of the lens", "SELECT cost, cost FROM products", "twice"),
        ("customers from Lyon or Rome", "SELECT id FROM customers WHERE city IN ('Lyon', 'Lyon')", "twice"),
        ("reviews with their ratings", "SELECT title FROM reviews", "rating"),
        ("which countries", "SELECT city FROM customers", "country"),
        ("orders and payment methods", "SELECT status FROM orders", "payment_method"),
        ("orders over 1,500.50 euros", "SELECT id FROM orders", "1500.5"),
        ("the five best customers", "SELECT id FROM customers LIMIT 4", "5"),
        ("customers' emails", "SELECT email FROM customers WHERE country = 'Portugal'", "Portugal"),
        ("orders not paid by card", "SELECT id FROM orders WHERE payment_method = 'card'", "excluded"),
        ("orders that aren't pending", "SELECT id FROM orders WHERE status = 'pending'", "excluded"),
        ("orders paid by card", "SELECT id FROM orders WHERE payment_method <> 'card'", "to be excluded"),
        ("average shipping fee", "SELECT shipping_fee FROM orders", "average"),
        ("how many customers are there", "SELECT city FROM customers", "counted"),
        ("order with the largest total", "SELECT total FROM orders", "comes first"),
        ("people in Italy", "SELECT country FROM customers WHERE country = 'Italy' GROUP BY country", "same"),
        ("orders with status paid", "SELECT status FROM orders", "paid"),
        ("orders since 2023", "SELECT id FROM orders WHERE total > 2023 AND total > 2023", "twice"),
        (
            "German customers but none from Rome or Milan, not one",
            "SELECT id FROM customers WHERE city <> 'Rome' AND city <> 'Milan' AND country <> 'Germany'"
            " AND segment <> 'none'",
            "too much",
        ),
        ("orders over 20 euros", "SELECT id FROM orders WHERE total < 20", "more than 20"),
        ("with at most 20 in stock", "SELECT name FROM products WHERE stock > 20", "less than 20"),
        ("exactly three stars", "SELECT title FROM reviews WHERE rating <= 3", "exactly 3"),
        ("goods over 50 euros", "SELECT name FROM products WHERE cost > 50 AND price > 50", "used twice"),
        ("bad reviews", "SELECT title FROM reviews WHERE rating = 4", "4 is not named"),
        ("which orders are paid", "SELECT id FROM orders", "paid is named"),
        ("the home department's goods", "SELECT name FROM products", "department is named"),
        ("home goods", "SELECT name FROM products", "Home is named"),
        ("consumers", "SELECT first_name FROM customers ORDER BY id LIMIT 1", "nothing is to come first"),
        ("how are transfers paid", "SELECT status FROM orders WHERE status = 'paid'", "same in all rows"),
        ("stock, price of goods", "SELECT price, stock FROM products", "stock is named before price"),
        ("show me 5 goods", "SELECT name FROM products LIMIT 5", None),
        ("at least 2 with 2 stars", "SELECT title FROM reviews WHERE rating = 2", None),
        (
            "delivered, but not by UPS",
            "SELECT id FROM shipments WHERE delivered_on IS NOT NULL AND carrier <> 'UPS'",
            None,
        ),
        ("price and stock of goods", "SELECT price, stock FROM products", None),
        ("units sold per order", "SELECT count(*) FROM order_items GROUP BY order_id", "quantity"),
        ("units sold per order", "SELECT sum(quantity) FROM order_items GROUP BY order_id", None),
        ("total quantity in stock", "SELECT sum(stock) FROM products", None),
        ("all items sold by Bauer", "SELECT name FROM products", None),
        ("who paid the most", "SELECT customer_id FROM orders WHERE status = 'paid' LIMIT 1", "paid"),
        ("orders excluding paid ones", "SELECT id FROM orders WHERE status <> 'paid'", None),
        ("purchase price of goods", "SELECT cost FROM products", None),
        ("orders paid by card", "SELECT id FROM orders WHERE payment_method = 'card'", None),
        ("their home town", "SELECT city FROM customers", None),
        ("bad reviews", "SELECT title FROM reviews WHERE rating <= 2", None),
        ("the favourite method", "SELECT payment_method FROM orders ORDER BY id LIMIT 1", None),
        ("customers called Tara", "SELECT first_name FROM customers WHERE first_name = 'Tara'", None),
        ("orders not yet delivered", "SELECT id FROM shipments WHERE delivered_on IS NULL", None),
        ("products not in stock", "SELECT name FROM products WHERE stock = 0", None),
        ("not more than 3 stars", "SELECT title FROM reviews WHERE rating <= 3", None),
        ("at most 5 in stock", "SELECT name FROM products WHERE stock <= 5", None),
        ("reviews titled Average", "SELECT rating FROM reviews WHERE title = 'Average'", None),
        ("how many stars", "SELECT rating FROM reviews", None),
        ("orders by status, paid by card", "SELECT status FROM orders WHERE payment_method = 'card'", None),
        ("cost and price of the lens", "SELECT cost, price FROM products", None),
        ("customers' cities", "SELECT city FROM customers", None),
        ("orders over 1,500 euros", "SELECT id FROM orders WHERE total > 1500", None),
        ("orders over 3 thousand", "SELECT id FROM orders WHERE total > 3000", None),
        ("orders in Q2 2023", "SELECT id FROM orders WHERE ordered_on > '2023-04-01'", None),
        ("on March 5, 2023", "SELECT id FROM orders WHERE ordered_on = '2023-03-05'", None),
        ("total number of customers, names of all", "SELECT count(*) FROM customers", None),
        ("Spanish customers", "SELECT id FROM customers WHERE country = 'Spain'", None),
        ("Dutch customers", "SELECT id FROM customers WHERE country = 'Netherlands'", None),
        ("anything", "no SQL at all (", None),
    ],
)
def test_what_is_left_out_or_made_up_is_doubtful(
    registry: DatabaseRegistry, question: str, sql: str, said: str | None
) -> None:
    """Columns, numbers and values of the question are compared with those of the statement."""
    found = doubt(registry.schema("shop"), Topic("", question), sql)
    assert (said in found) if said and found else found is said


def test_what_retrieval_found_is_not_made_up(registry: DatabaseRegistry) -> None:
    """A name may be spelt quite otherwise in the question."""
    topic = Topic("", "who lives in Koeln", "values: customers.city = 'Cologne'")
    sql = "SELECT id FROM customers WHERE city = 'Cologne'"
    assert doubt(registry.schema("shop"), topic, sql) is None
    assert doubt(registry.schema("shop"), Topic("", "who lives in Muenster"), sql) == "Cologne is not named"


@pytest.mark.parametrize(
    ("question", "found", "sql", "doubted"),
    [
        ("Who is Anna?", "customers.first_name = 'Anna'", "SELECT last_name FROM customers", "Anna"),
        ("tents", "products.name LIKE '%Tent%'", "SELECT name FROM products", "Tent"),
        ("tents", "products.name LIKE '%Tent%'", "SELECT id FROM products WHERE name LIKE '%Tent%'", None),
        ("orders that contain it", "customers.last_name = 'Conti'", "SELECT id FROM orders", None),
        ("all goods", "suppliers.name = 'Goods'", "SELECT name FROM products", None),
    ],
)
def test_what_retrieval_found_is_to_be_used(
    registry: DatabaseRegistry, question: str, found: str, sql: str, doubted: str | None
) -> None:
    """If the question names it, and not by a common word."""
    found_doubt = doubt(registry.schema("shop"), Topic("", question, f"values: {found}"), sql)
    assert found_doubt == (f"{doubted} is named and not used" if doubted else None)


async def test_a_doubtful_candidate_is_revised(registry: DatabaseRegistry) -> None:
    """The model is told why; the revision takes its place."""
    answer, journal = await run(
        registry, scripted(generate_candidate=ELSEWHERE, revise=RIGHT), candidates=1, profile=DemoProfile()
    )
    assert "Spain is not named" in journal.of("revise")[0].context()
    assert answer["sql"] == RIGHT
    assert answer["candidates"][0]["doubt"] is None


async def test_what_stays_doubtful_is_an_answer_after_all(registry: DatabaseRegistry) -> None:
    """After three rounds, and nothing doubtful or empty has taken its place."""
    empty = "SELECT id FROM customers WHERE country = 'Germny'"
    rounds = [empty, TWICE, "SELECT no_such_column FROM customers"]

    def model(call: Call, number: int) -> str:
        return rounds[number] if call.stage == "revise" else script(call, number)

    script = scripted(generate_candidate=ELSEWHERE)
    answer, journal = await run(registry, model, candidates=1, profile=DemoProfile())
    assert journal.stages().count("revise") == 3
    assert (answer["status"], answer["sql"]) == ("ok", ELSEWHERE)
    assert answer["candidates"][0]["doubt"] == "Spain is not named"


async def test_one_without_doubts_goes_before_two_that_agree(registry: DatabaseRegistry) -> None:
    """What is doubtful has no vote."""

    def model(call: Call, number: int) -> str:
        if call.stage == "generate_candidate":
            return RIGHT if call.branches[0] == 2 else ELSEWHERE
        return script(call, number)

    script = scripted(revise=ELSEWHERE)
    answer, _ = await run(registry, model, profile=DemoProfile())
    assert answer["sql"] == RIGHT


async def test_larger_models_are_not_doubted(registry: DatabaseRegistry) -> None:
    """They know what is meant without being named."""
    answer, journal = await run(registry, scripted(generate_candidate=ELSEWHERE), candidates=1)
    assert "revise" not in journal.stages()
    assert answer["sql"] == ELSEWHERE
