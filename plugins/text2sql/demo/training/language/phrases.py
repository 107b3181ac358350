"""Who draws noun phrases: conditions in many wordings, links to other tables, names."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from plugins.text2sql.demo.training.language import goods, turned
from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.literals import Said, said_number, said_text
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.time_spans import said_date
from plugins.text2sql.demo.training.language.world import World

_DATES = ("_on", "_since")
# What costs more, not "of more".
_VERB_OF = re.compile(
    r"\b(costing|cost|us|worth|for|priced|totalling|valued|to|is) of (?=more|over|less|under|at)"
)
_STARS = ("one", "two", "three", "four", "five")
_COUNTRIES = ("customers.country", "suppliers.country")
_NAMED = {"customers": 0.6, "products": 0.6, "suppliers": 0.6, "orders": 0.3}
"""Tables whose rows have names (of orders, numbers), and how often what is tied to them is tied to one."""
# Conditions on a table that are said of another one without naming the first.
_DIRECT = {
    "products": ("categories",),
    "orders": ("customers",),
    "reviews": ("categories",),
    "shipments": ("orders",),
    "order_items": ("categories", "orders", "customers"),
}
_DIRECT_COLUMNS = {"customers": ("country", "city", "segment"), "orders": ("ordered_on", "status", "total")}
# These would be said of the subject: when a shipment was ordered, what the items sold cost.
_SAID_OF_IT = {("shipments", "orders.ordered_on"), ("order_items", "orders.total")}
# The table that holds both ends of a link that isn't a foreign key.
_BETWEEN = {
    ("customers", "products"): "order_items",
    ("products", "customers"): "order_items",
    ("products", "orders"): "order_items",
    ("orders", "products"): "order_items",
}


class Speaker:
    """Draws phrases.  ``mode`` is where values come from, as in :func:`said_text`."""

    def __init__(self, world: World, rng: random.Random, mode: str) -> None:
        self.world = world
        self.rng = rng
        self.mode = mode
        self._lexicon = world.lexicon
        self._columns: dict[str, list[str]] = {}
        for column in self._lexicon["filters"]:
            self._columns.setdefault(column.partition(".")[0], []).append(column)
        self._fixed: dict[str, list[dict[str, str]]] = {}
        for fixed in self._lexicon["fixed"]:
            self._fixed.setdefault(fixed["column"].partition(".")[0], []).append(fixed)

    def noun(self, table: str, number: str = "many") -> str:
        """Return a noun for ``table``, in the singular (``one``) or plural (``many``)."""
        return expand(self._lexicon["subjects"][table][number], self.rng)

    def say(self, slots: Mapping[str, str], *wordings: str) -> str:
        """Return a question in one of the ``wordings`` of ``patterns.toml``."""
        patterns = self.world.patterns
        options = [option for wording in wordings for option in patterns[wording]]
        filled = {"show": expand(patterns["show"], self.rng), **slots}
        return expand(self.rng.choice(options), self.rng, filled)

    def phrase(self, subject: str, most: int, links: bool = True) -> Phrase:
        """Return a phrase about ``subject`` with up to ``most`` conditions, some on linked tables."""
        phrase = Phrase(subject, subject)
        count = min(most, self.rng.choices((0, 1, 2, 3), (22, 50, 23, 5))[0])
        if links and count and self.rng.random() < 0.34:
            self._link(phrase, count)
        elif count and subject in _NAMED and self.rng.random() < 0.1:
            self._name(phrase)
        elif count and subject == "products" and self.rng.random() < 0.25:
            goods.kind(self, phrase)
        elif count and self.rng.random() < 0.07:
            turned.missing(self, phrase)
        for _ in range(count - len(phrase.where) if not phrase.whole else 0):
            self._condition(phrase)
        return phrase

    def tail(self, base: str, most: int = 1) -> Phrase:
        """Return conditions to be said of numbers about ``base``, without a noun."""
        phrase = Phrase(base, base)
        for _ in range(self.rng.choices((0, 1, 2), (40, 48, 12))[0] if most > 1 else most):
            self._condition(phrase, behind=True)
        return phrase

    def _condition(self, phrase: Phrase, behind: bool = False) -> None:
        table = phrase.subject
        direct = _DIRECT.get(table, ())
        if direct and (table == "order_items" or self.rng.random() < 0.3):
            table = self.rng.choice(direct)
        options = [c for c in self._columns.get(table, ()) if self._allowed(phrase, table, c)]
        if self.rng.random() < 0.16 and table == phrase.subject and table in self._fixed:
            fixed = self.rng.choice(self._fixed[table])
            if fixed["column"] not in phrase.conditions:
                self._fixed_condition(phrase, fixed, behind)
                return
        options = [column for column in options if column not in phrase.conditions]
        if options:
            self._say(phrase, self.rng.choice(options), behind)

    def _allowed(self, phrase: Phrase, table: str, column: str) -> bool:
        if table == phrase.subject or table not in _DIRECT_COLUMNS:
            return True
        if (phrase.subject, column) in _SAID_OF_IT:
            return False
        return column.rpartition(".")[2] in _DIRECT_COLUMNS[table]

    def _fixed_condition(self, phrase: Phrase, fixed: dict[str, str], behind: bool) -> None:
        if fixed["pre"] and not behind and self.rng.random() < 0.4:
            phrase.pre.append(expand(fixed["pre"], self.rng))
        else:
            phrase.post.append(expand(fixed["post"], self.rng))
        phrase.where.append(fixed["column"] + fixed["sql"])
        phrase.conditions.append(fixed["column"])

    def _say(self, phrase: Phrase, column: str, behind: bool) -> None:
        rng, forms = self.rng, self._lexicon["filters"][column]
        if column in self._lexicon["negated"] and rng.random() < 0.14:
            made = rng.random() < 0.45
            turned.negate(self, phrase, column) if made else turned.either(self, phrase, column, behind)
            return
        slot, said = self._value(column)
        word = f"the {said.text}" if said.text == "Netherlands" and rng.random() < 0.6 else said.text
        adjective = self._lexicon["adjectives"].get(said.text, "")
        slots = {slot: word, "v": word, "adjective": adjective, "stars": ""}
        if column == "reviews.rating" and (match := re.fullmatch(r" = (\d)", said.sql)):
            stars = _STARS[int(match[1]) - 1]
            slots["stars"] = f"{match[1]}-star" if rng.random() < 0.6 else f"{stars} star"
        before = "pre" in forms and not behind and rng.random() < 0.45
        pre = expand(forms["pre"], rng, slots) if before else ""
        lead, noun = turned.whose(self, phrase, column) if behind else ("", "")
        if lead and "pre" in forms and rng.random() < 0.5:
            pre = expand(forms["pre"], rng, slots)
            phrase.post.append(f"{lead} {pre} {noun}")
        elif pre:
            phrase.pre.append(pre)
        else:
            said_of_it = _VERB_OF.sub(r"\1", expand(forms["post"], rng, slots))
            # "Average price under 50" would be a limit to the average.
            while behind and slot == "n" and said_of_it == word:
                said_of_it = expand(forms["post"], rng, slots)
            words = " ".join(filter(None, (lead, noun, said_of_it)))
            # A mere number or date would be said of the thing before it.
            nearest = words == word or rng.random() < 0.3
            phrase.post.insert(0 if nearest else len(phrase.post), words)
        if pre and column in _COUNTRIES:
            said = Said(pre, said.sql, pre, unseen=said.unseen)
        phrase.where.append(column + said.sql)
        phrase.conditions.append(column)
        phrase.values.append(said)

    def _value(self, column: str) -> tuple[str, Said]:
        if column in self.world.values:
            return "v", said_text(self.world, column, self.rng, self.mode)
        if column.endswith(_DATES):
            return "d", said_date(column, self.rng)
        return "n", said_number(column, self.rng)

    def _name(self, phrase: Phrase) -> None:
        """Say a person, a product or a supplier by name alone."""
        rng, subject = self.rng, phrase.subject
        if subject == "orders":
            goods.numbered(self, phrase)
            return
        columns = [f"{subject}.name"]
        if subject == "customers":
            columns = ["customers.first_name", "customers.last_name"]
        said = [said_text(self.world, column, rng, self.mode) for column in columns]
        name = "\N{NO-BREAK SPACE}".join(value.text for value in said)
        lead = rng.choice(("", "", f"{self.noun(subject, 'one')} ", f"the {self.noun(subject, 'one')} "))
        phrase.whole = lead + name
        for column, value in zip(columns, said, strict=True):
            phrase.where.append(column + value.sql)
            phrase.conditions.append(column)
            phrase.values.append(value)

    def inverted(self, subject: str) -> tuple[Phrase, str] | None:
        """Return a phrase about ``subject`` by what it is tied to, and the words for that after its noun."""
        keys = [key for key in self._lexicon["inverted"] if re.split("[<>]", key)[0] == subject]
        if not keys:
            return None
        key = self.rng.choice(keys)
        other = re.split("[<>]", key)[1]
        inner = Phrase(other, other)
        if other in _NAMED and self.rng.random() < _NAMED[other]:
            self._name(inner)
        else:
            inner = self.phrase(other, 2, links=False)
        if not inner.where:
            return None
        phrase = Phrase(subject, _BETWEEN.get((subject, other), inner.root if "<" in key else subject))
        phrase.take(inner)
        phrase.conditions.append(key)
        words = expand(self._lexicon["inverted"][key], self.rng, {"np": inner.text(self.noun(other))})
        return phrase, words

    def named_or(self, subject: str, chance: float, most: int) -> Phrase:
        """Return a phrase about one row of ``subject``, with a ``chance``, or else one with conditions."""
        if self.rng.random() >= chance:
            return self.phrase(subject, most, links=False)
        phrase = Phrase(subject, subject)
        self._name(phrase)
        return phrase

    def _tie(self, phrase: Phrase, inner: Phrase, key: str, count: int) -> bool:
        """Say that ``phrase`` is tied to what ``inner`` is made to be; return whether that could be said."""
        rng, other = self.rng, inner.subject
        drawn = self.phrase(other, max(1, count - 1), links=False)
        if not drawn.where:
            if other == "products" and rng.random() < 0.7:
                goods.kind(self, drawn)
            else:
                self._condition(drawn)
        if not drawn.where:
            return False
        noun = drawn.text(self.noun(other))
        if "<" in key and not drawn.whole and rng.random() < 0.2:
            noun = drawn.text(self.noun(other, "one"), one=True)
            article = "an" if noun[0].lower() in "aeio" else "a"
            noun = f"{rng.choice((article, article, 'at least one', 'any'))} {noun}"
        phrase.post.append(expand(self._lexicon["links"][key], rng, {"np": noun}))
        inner.take(drawn)
        return True

    def _link(self, phrase: Phrase, count: int) -> None:
        subject, rng = phrase.subject, self.rng
        keys = [key for key in self._lexicon["links"] if re.split("[<>]", key)[0] == subject]
        if not keys:
            return
        key = rng.choice(keys)
        other = re.split("[<>]", key)[1]
        inner = Phrase(other, other)
        if key in self._lexicon["acts"] and rng.random() < 0.25:
            said = goods.when(self, inner)
            phrase.post.append(expand(self._lexicon["acts"][key], rng, {"d": said.text}))
        elif not self._tie(phrase, inner, key, count):
            return
        phrase.take(inner)
        phrase.conditions.append(key)
        if "<" in key:
            phrase.root = _BETWEEN.get((subject, other), inner.root)
