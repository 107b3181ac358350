"""What can be counted, summed and averaged, and by what it can be grouped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.literals import Said
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.phrases import Speaker

_SHOWN = {"customers.id": "customers.first_name, customers.last_name"}
# Names that aren't unique are grouped by the row they belong to.
_KEYS = {"products.name": "products.id", "suppliers.name": "suppliers.id"}
_OWNERS = {"customers.id": "customers", "products.name": "products", "suppliers.name": "suppliers"}
_THEIRS = ("suppliers.country", "suppliers.city")
_SPAN = re.compile(r"substr\((.*), 1, (\d)\)")
_OF_ITEMS = ("products", "categories", "suppliers")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number about rows of ``base``; the other texts are patterns of the lexicon, empty where none fits."""

    base: str
    sql: str
    name: str
    most: str
    least: str
    best: str = ""
    worst: str = ""

    @property
    def counts(self) -> bool:
        """Whether it is the number of rows."""
        return self.sql == "count(*)"

    def fits(self, *columns: str) -> bool:
        """Return whether it is asked with ``columns``: the revenue of items is, of what only items tell."""
        return "unit_price" not in self.sql or any(column.startswith(_OF_ITEMS) for column in columns)


@dataclass(frozen=True, slots=True)
class Dimension:
    """What is grouped by: its ``column`` and its ``name`` in the question."""

    column: str
    name: str

    @property
    def shown(self) -> str:
        """What stands for a group in the result."""
        return _SHOWN.get(self.column, self.column)

    @property
    def grouped(self) -> str:
        """The clause that groups by it."""
        return f" GROUP BY {_KEYS.get(self.column, self.column)}"

    def settled(self, phrase: Phrase) -> bool:
        """Whether ``phrase`` leaves no choice of groups, as a year does where they are years."""
        if match := _SPAN.fullmatch(self.column):
            alike = f"{match[1]} LIKE '"
            within = [len(said) - len(alike) - 2 for said in phrase.where if said.startswith(alike)]
            return any(letters >= int(match[2]) for letters in within)
        return self.column in phrase.conditions

    def phrase(self, speaker: Speaker, chance: float) -> Phrase:
        """Return conditions on the groups themselves, where they are rows, with a ``chance``, or none."""
        if self.column == "customers.city" and speaker.rng.random() < 0.3:
            return _cities(speaker)
        owner = _OWNERS.get(self.column)
        if owner is None or speaker.rng.random() >= chance:
            return Phrase(self.column, self.column)
        return speaker.phrase(owner, 1, links=False)


def _cities(speaker: Speaker) -> Phrase:
    """Return the cities of one country."""
    country, adjective = speaker.rng.choice(list(speaker.lexicon["adjectives"].items()))
    said = Said(adjective, f" = '{country}'", adjective)
    phrase = Phrase("customers", "customers", pre=[adjective])
    phrase.means("customers.country", said)
    return phrase


def draw_measure(speaker: Speaker, base: str = "") -> Measure:
    """Return a measure (of ``base``); a table's count, its most common one, twice as often as another."""
    base = base or speaker.subject("measured")
    measures = [Measure(**m) for m in speaker.lexicon["measures"] if m["base"] == base]
    return speaker.rng.choices(measures, [2.0] + [1.0] * (len(measures) - 1))[0]


def draw_dimension(speaker: Speaker, measure: Measure) -> Dimension | None:
    """Return something by which ``measure`` can be grouped, if there is anything."""
    base = measure.base
    reach = {base, *speaker.world.above(base)}
    if base in speaker.lexicon["periods"] and speaker.rng.random() < 0.1:
        name, letters = speaker.rng.choice((("month", 7), ("year", 4)))
        return Dimension(f"substr({speaker.lexicon['periods'][base]}, 1, {letters})", name)
    options = [
        (column, words)
        for column, words in speaker.lexicon["dimensions"].items()
        if column.partition(".")[0] in reach and _OWNERS.get(column) != base and column not in measure.sql
    ]
    if not options:
        return None
    column, words = speaker.rng.choice(options)
    # Where customers could be meant too, the country or city of suppliers is named as theirs.
    if column in _THEIRS and base in ("products", "suppliers") and speaker.rng.random() < 0.4:
        words = column.rpartition(".")[2]
    return Dimension(column, expand(words, speaker.rng))
