"""Goods and orders by other names: laptops, Kestrel tents, order 1234, those who bought in 2024."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.literals import Said
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.time_spans import said_date

if TYPE_CHECKING:
    from plugins.text2sql.demo.training.language.phrases import Speaker

_MOST_ORDERS = 4500


def kind(speaker: Speaker, phrase: Phrase) -> None:
    """Name products by their category, or by a part of their name: a brand, a kind of thing, both."""
    rng, lexicon = speaker.rng, speaker.lexicon
    chance = rng.random()
    if chance < 0.6:
        category, heads = rng.choice(list(lexicon["goods"].items()))
        _named(phrase, (heads["many"], heads["one"]), "categories.name", f" = '{category}'")
        return
    if chance < 0.85:
        stem, heads = rng.choice(list(lexicon["kinds"].items()))
        _named(phrase, (heads["many"], heads["one"]), "products.name", f" LIKE '%{stem.capitalize()}%'")
    if chance >= 0.78:
        brand = rng.choice(lexicon["brands"])
        said = Said(brand, f" LIKE '%{brand}%'", brand)
        if rng.random() < 0.5:
            phrase.pre.append(brand)
        else:
            phrase.post.append(expand(lexicon["of_brand"], rng, {"v": brand}))
        phrase.means("products.name", said)


def _named(phrase: Phrase, heads: tuple[str, str], column: str, sql: str) -> None:
    phrase.heads = heads
    phrase.means(column, Said(heads[0], sql, heads[0]))


def numbered(speaker: Speaker, phrase: Phrase) -> None:
    """Name one order by its number."""
    number = str(speaker.rng.randint(1, _MOST_ORDERS))
    sign = "#" if speaker.rng.random() < 0.1 else ""
    phrase.whole = f"{expand(speaker.lexicon['order_number'], speaker.rng)} {sign}{number}"
    phrase.means("orders.id", Said(number, f" = {number}"))


def when(speaker: Speaker, phrase: Phrase) -> Said:
    """Bind rows, such as orders, to a span of time, and return how it is said."""
    column = speaker.lexicon["periods"][phrase.subject]
    said = said_date(column, speaker.rng)
    phrase.means(column, said)
    return said
