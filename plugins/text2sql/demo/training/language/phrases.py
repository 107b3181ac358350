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


class Speaker:
    """Draws phrases.  ``mode`` is where values come from, as in :func:`said_text`."""

    def __init__(self, world: World, rng: random.Random, mode: str) -> None:
        self.world = world
        self.rng = rng
        self.mode = mode
        self.lexicon = world.lexicon

    def subject(self, kind: str) -> str:
        """Return a table to ask about, drawn by the lexicon's weights of ``kind``."""
        weights: dict[str, int] = self.lexicon["weights"][kind]
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def shown(self, table: str) -> str:
        """Return the columns that stand for a row of ``table``."""
        return ", ".join(self.lexicon["shown"][table])

    def noun(self, table: str, number: str = "many") -> str:
        """Return a noun for ``table``, in the singular (``one``) or plural (``many``)."""
        return expand(self.lexicon["subjects"][table][number], self.rng)

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
        elif count and subject in self.lexicon["named"] and self.rng.random() < 0.1:
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
        table, rng, lexicon = phrase.subject, self.rng, self.lexicon
        options = [column for column in lexicon["filters"] if column.startswith(f"{table}.")]
        direct = lexicon["direct"].get(table)
        if direct and (table == "order_items" or rng.random() < 0.3):
            table = rng.choice(list(direct))
            options = direct[table]
        fixed = [fixed for fixed in lexicon["fixed"] if fixed["column"].startswith(f"{table}.")]
        if rng.random() < 0.16 and table == phrase.subject and fixed:
            chosen = rng.choice(fixed)
            if chosen["column"] not in phrase.conditions:
                self._fixed_condition(phrase, chosen, behind)
                return
        options = [column for column in options if column not in phrase.conditions]
        if options:
            self._say(phrase, rng.choice(options), behind)

    def _fixed_condition(self, phrase: Phrase, fixed: dict[str, str], behind: bool) -> None:
        if fixed["pre"] and not behind and self.rng.random() < 0.4:
            phrase.pre.append(expand(fixed["pre"], self.rng))
        else:
            phrase.post.append(expand(fixed["post"], self.rng))
        phrase.means(fixed["column"], Said("", fixed["sql"]))

    def _say(self, phrase: Phrase, column: str, behind: bool) -> None:
        rng, forms = self.rng, self.lexicon["filters"][column]
        if column in self.lexicon["negated"] and rng.random() < 0.14:
            made = rng.random() < 0.45
            turned.negate(self, phrase, column) if made else turned.either(self, phrase, column, behind)
            return
        slot, said = self._value(column)
        word = f"the {said.text}" if said.text == "Netherlands" and rng.random() < 0.6 else said.text
        adjective = self.lexicon["adjectives"].get(said.text, "")
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
        phrase.means(column, said)

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
            phrase.means(column, value)

    def inverted(self, subject: str) -> tuple[Phrase, str] | None:
        """Return a phrase about ``subject`` by what it is tied to, and the words for that after its noun."""
        tie = self.tie("inverted", subject)
        if tie is None:
            return None
        key, other = tie
        inner = self.named_or(other, self.lexicon["named"].get(other, 0), 2)
        if not inner.where:
            return None
        phrase = Phrase(subject, subject)
        self._tied(phrase, key, inner)
        words = expand(self.lexicon["inverted"][key], self.rng, {"np": inner.text(self.noun(other))})
        return phrase, words

    def named_or(self, subject: str, chance: float, most: int) -> Phrase:
        """Return a phrase about one row of ``subject``, with a ``chance``, or else one with conditions."""
        if not chance or self.rng.random() >= chance:
            return self.phrase(subject, most, links=False)
        phrase = Phrase(subject, subject)
        self._name(phrase)
        return phrase

    def _say_tie(self, phrase: Phrase, inner: Phrase, key: str, count: int) -> bool:
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
        phrase.post.append(expand(self.lexicon["links"][key], rng, {"np": noun}))
        inner.take(drawn)
        return True

    def _link(self, phrase: Phrase, count: int) -> None:
        rng, tie = self.rng, self.tie("links", phrase.subject)
        if tie is None:
            return
        key, other = tie
        inner = Phrase(other, other)
        if key in self.lexicon["acts"] and rng.random() < 0.25:
            said = goods.when(self, inner)
            phrase.post.append(expand(self.lexicon["acts"][key], rng, {"d": said.text}))
        elif not self._say_tie(phrase, inner, key, count):
            return
        self._tied(phrase, key, inner)

    def tie(self, kind: str, subject: str) -> tuple[str, str] | None:
        """Return a key of the lexicon's ``kind`` that ties ``subject`` to another table, and this one."""
        ties = [(key, re.split("[<>]", key)) for key in self.lexicon[kind]]
        found = [(key, other) for key, (one, other) in ties if one == subject]
        return self.rng.choice(found) if found else None

    def _tied(self, phrase: Phrase, key: str, inner: Phrase) -> None:
        phrase.take(inner)
        phrase.conditions.append(key)
        if key in self.lexicon["through_items"]:
            phrase.root = "order_items"
        elif "<" in key:
            phrase.root = inner.root
