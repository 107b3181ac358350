"""Which conditions follow from a question and its keywords, given the stored values: none is invented."""

from __future__ import annotations

import pytest

from plugins.text2sql.databases.dialect import STANDARD
from plugins.text2sql.retrieval.matches import meant, similar
from plugins.text2sql.retrieval.schema_words import schema_words
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import COMMON_WORDS
from tests.plugins.text2sql.linking.warehouse import schema, table

CITIES = ("Munich", "Lyon", "Leon", "Cork", "New York", "York", "São Paulo", "München-Pasing", "Bern")
NAMES = (
    "Moreau",
    "More",
    "Anna",
    "Ann",
    "Jean-Luc",
    "O'Hara",
    "Müller",
    "Weber",
    "Conti",
    "Overby",
    "Lessing",
)
OTHERS = (
    "USA",
    "M",
    "F",
    "IT",
    "High",
    "Boeing 747",
    "Boeing 737",
    "shipped",
    "pending",
    "Phones",
    "UPS",
    "Stone",
    "Beauty & Health",
)
COLUMNS = {"city": CITIES, "name": NAMES, "x": OTHERS}


def found(question: str, keywords: list[str], columns: dict[str, tuple[str, ...]]) -> set[str]:
    values = [value for texts in columns.values() for value in texts]
    labels = [f"{column} = {value}" for column, texts in columns.items() for value in texts]
    keywords = meant(keywords, (question,), frozenset())
    return set(similar(TextIndex(values, labels), keywords, 10, STANDARD, (question,)).labels)


@pytest.mark.parametrize(
    ("question", "keywords", "wanted"),
    [
        ("beauty and health items", ["beauty and health"], ["x = Beauty & Health"]),
        # Words that hold a question together resemble nothing.
        ("how much did it cost", ["much"], []),
        ("how long does a delivery take", ["long"], []),
        ("who has more than 3 orders", ["more"], []),  # the question doesn't write it as a name
        ("who has more than 3 orders", ["more than 3 orders"], []),
        ("more than 5, over 10, less than 3", ["over", "less", "than", "most", "many", "under"], []),
        ("More than 3 orders?", ["customers"], []),
        ("all in order. More than 3?", ["order"], []),
        ("what did Thomas More buy", ["customers"], ["name = More"]),
        ("what did Thomas More buy", ["Thomas More"], ["name = More"]),
        ("who has more than 3 orders", ["More"], []),  # whatever the keyword's case
        ("who has sold most", ["More"], ["name = More"]),  # the question doesn't have the word at all
        ("who bought it", ["it"], []),
        ("who is in 'it'", ["it"], ["x = IT"]),
        ("who bought it", ["bought it"], []),
        ("which staff are in IT", ["staff"], ["x = IT"]),
        ("HOW MUCH MORE DID IT COST", ["COST"], []),
        # Short words must be right; what is much longer or shorter is no misspelling.
        ("the cost of it", ["cost"], []),
        ("in which store", ["store"], []),
        ("in ascending order", ["ascending"], []),
        ("sold pumps", ["pumps"], []),
        ("the count of them", ["count"], []),
        ("ember", ["ember"], []),
        ("x", ["moreover"], []),
        ("x", ["Bren"], ["city = Bern"]),
        ("x", ["Barn"], []),
        ("x", ["Lyonn"], []),
        ("x", ["Munch"], ["city = Munich"]),
        ("x", ["Munic"], ["city = Munich"]),
        ("x", ["Muncih"], ["city = Munich"]),
        ("x", ["Lesing"], ["name = Lessing"]),
        ("x", ["Mulller"], ["name = Müller"]),
        ("x", ["shiped"], ["x = shipped"]),
        # Case, accents, hyphens, apostrophes, possessives, plurals.
        ("x", ["MUNICH"], ["city = Munich"]),
        ("flights to sao paulo", [], ["city = São Paulo"]),
        ("x", ["Sao Paulo"], ["city = São Paulo"]),
        ("x", ["Muller"], ["name = Müller"]),
        ("x", ["munchen pasing"], ["city = München-Pasing"]),
        ("what did jean luc buy", [], ["name = Jean-Luc"]),
        ("x", ["OHara"], ["name = O'Hara"]),
        ("x", ["O’Hara"], ["name = O'Hara"]),
        ("Weber's orders", ["orders"], ["name = Weber"]),
        ("x", ["Weber's orders"], ["name = Weber"]),
        ("x", ["Weber's"], ["name = Weber"]),
        ("x", ["phone"], ["x = Phones"]),
        ("who bought a phone", [], ["x = Phones"]),
        ("x", ["stores"], []),
        ("x", ["Municherers"], []),
        ("x", ["Municher"], ["city = Munich"]),
        ("x", ["Munichers"], ["city = Munich"]),
        # A whole name hides what is in it or near it.
        ("customers in New York", ["New York"], ["city = New York"]),
        ("customers in York", ["York"], ["city = York"]),
        ("x", ["customers from new york"], ["city = New York"]),
        ("x", ["New Yrok"], ["city = New York"]),
        ("x", ["New Cork"], ["city = Cork"]),
        ("x", ["Anna"], ["name = Anna"]),
        ("x", ["Ann"], ["name = Ann"]),
        # Digits are never misspelled.
        ("x", ["Boeing 747"], ["x = Boeing 747"]),
        ("x", ["boeng 737"], ["x = Boeing 737"]),
        ("x", ["Boeing 757"], []),
        ("x", ["747"], []),
        # Short values: as they are spelt, or as the whole keyword.
        ("x", ["usa"], ["x = USA"]),
        ("x", ["customers in USA"], ["x = USA"]),
        ("x", ["customers in usa"], []),
        ("x", ["UPA"], []),
        ("which customers are M", [], ["x = M"]),
        ("what I'm asking for", [], []),
        ("x", ["m"], ["x = M"]),
        # A word of degree may be a value but resembles none.
        ("tasks of high priority", [], ["x = High"]),
        ("x", ["height"], []),
        # Nothing gives nothing.
        ("", [], []),
        ("x", ["", "  ", "?"], []),
    ],
)
def test_a_question_gives_these_conditions(question: str, keywords: list[str], wanted: list[str]) -> None:
    """No more, and no fewer."""
    assert found(question, keywords, COLUMNS) == set(wanted)


@pytest.mark.parametrize(
    ("question", "keywords", "wanted"),
    [
        ("at a nice price", [], []),
        ("at a nice price", ["nice", "price"], []),
        ("at a nice price", ["nice price"], []),
        ("at a nice price", ["Nice", "Price"], []),
        ("Nice prices, please", ["prices"], []),
        ("Price of the cheapest", ["Price"], []),
        ("how long does it take", ["long"], []),
        ("which cities have customers", ["city", "customers"], []),
        ("the unit price", ["unit price"], []),
        ("customers in Nice", [], ["x = Nice"]),
        ("customers in Nice", ["nice"], ["x = Nice"]),
        ("named 'price'", [], ["x = Price"]),
        ("named 'price'", ["price"], ["x = Price"]),
        ('is "long" their name', ["long"], ["x = Long"]),
        ("what did Ann Price buy", ["Price"], ["x = Price"]),
        ("how does the price in Nice differ", ["price", "nice"], ["x = Nice"]),
        ("sold by lumen", ["lumen"], ["x = Lumen"]),
        ("who is in the city of City", ["city"], ["x = City"]),
    ],
)
def test_an_ordinary_word_is_a_value_only_where_it_is_written_as_a_name(
    question: str, keywords: list[str], wanted: list[str]
) -> None:
    """So is the name of a table or a column, in either number.  What else is said needs no capital."""
    values = ("Nice", "Price", "Prices", "Long", "City", "Customer", "Unit Price", "Lumen")
    index = TextIndex(values, [f"x = {value}" for value in values])
    shop = schema(table("customers", ("id", "city")), table("sales.items", ("id", "price", "unit_price")))
    words = schema_words(shop)
    keywords = meant(keywords, (question,), words)
    found = similar(index, keywords, 10, STANDARD, (question,), COMMON_WORDS | words)
    assert set(found.labels) == set(wanted)


def test_a_common_word_of_a_model_may_be_a_keyword() -> None:
    """The words in which a profile sees no value are not ordinary ones: what is paid may be a status."""
    index, common = TextIndex(["paid"], ["status = 'paid'"]), COMMON_WORDS | {"paid"}
    keywords = meant(["paid"], ("which orders are paid",), frozenset())
    assert similar(index, keywords, 10, STANDARD, ("which orders are paid",), common).labels == (
        "status = 'paid'",
    )
    assert similar(index, [], 10, STANDARD, ("which orders are paid",), common).labels == ()


def test_the_words_of_a_schema_are_its_names_in_both_numbers() -> None:
    """Whole names, as a question has them."""
    shop = schema(table("customers", ("id", "shipped_on")), table("sales.City", ("Unit Price",)))
    words = schema_words(shop)
    assert {"customers", "customer", "city", "cities", "shipped on", "unit price", "unit prices"} <= words
    assert words.isdisjoint({"shipped", "unit", "sales", "on", ""})


@pytest.mark.parametrize(
    ("question", "values", "wanted"),
    [
        ("how long is it", ("Long Beach", "Long Island"), []),
        ("High or low?", ("High Point", "High Wycombe"), []),
        ("how many over there", ("Over Wallop", "Over Kellet"), []),
        ("which tents", ("Alto Tent", "Max Tent"), ["c LIKE '%Tent%'"]),
        ("Mark the orders that took long.", ("Mark", "Long"), []),
        ("Split all sales by month. Grant me a list", ("Split", "Grant"), []),
        ("Which are late? Mark: all", ("Mark", "Bill"), ["c = Mark"]),
        ("Mark paid the most", ("Mark",), ["c = Mark"]),
        ("Bill the customers of Bill", ("Bill",), ["c = Bill"]),
        ("Will the order arrive in May?", ("Will", "May"), ["c = May"]),
        ("in Long", ("Long Beach", "Long Island"), ["c LIKE '%Long%'"]),
        ("customers in Munchen", ("München", "Münster"), ["c = München"]),
        ("customers in Munchen", ("München", "Munchen"), ["c = Munchen"]),
    ],
)
def test_parts_and_accents(question: str, values: tuple[str, ...], wanted: list[str]) -> None:
    """A function word is no part of a name, and what is spelt right goes before what is spelt otherwise."""
    assert found(question, [], {"c": values}) == set(wanted)


def test_what_is_left_out_is_noted() -> None:
    """Equals beyond the fifth, and matches beyond the limit."""
    index = TextIndex(["Berlin"] * 6 + ["Hamburg"], [f"c{number} = Berlin" for number in range(6)] + ["h"])
    matches = similar(index, ["Berlin"], 10, STANDARD)
    assert len(matches.labels) == 5
    assert matches.notes == ("more than 5 are equally like 'Berlin'; the first 5 were taken",)
    matches = similar(index, ["Berlin", "Hamburg"], 2, STANDARD, ("in Berlin",))
    assert len(matches.labels) == 2
    assert matches.notes[-1] == "7 were found; the best 2 were taken"
    assert similar(index, ["Hamburg"], 10, STANDARD).notes == ()
