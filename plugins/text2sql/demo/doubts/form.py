"""Doubts about a statement's form: what is repeated, excluded, counted, averaged, ranked or grouped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from plugins.text2sql.demo.doubts.reading import Reading, is_text
from plugins.text2sql.demo.grammar.numbers import clear_numbers

_NOT = re.compile(
    r"\b(?:without|outside|except(?:ing)?(?: for)?|excluding|(?:other|rather) than|instead of"
    r"|(?:apart|aside) from|besides|minus|non|(?:all|any\w*|every\w*) but"
    r"|not(?! (?:more|less|fewer|later|earlier)\b)|neither|nor|never|nobody"
    r"|(?:are|is|was|were|have|has|had|do|does|did|ca|wo)n['’]?t)\b"
)
_AVERAGE = re.compile(r"\b(?:averages?|avg|mean)\b")
_HOW_MANY = re.compile(r"\b(?:how many|number of|count)\b")
_MOST = re.compile(
    r"(?<!at )(?<!at the )\b(?:most|least|fewest|highest|lowest|largest|smallest|biggest|cheapest|priciest"
    r"|newest|oldest)\b(?! recent)"
)
# Whatever may mean that only the first rows count; superlatives have slips of the hand, too.
_RANKED = re.compile(
    r"\b(?:most|least|top|bottom|first|last|best\w*|worst|recent|prefer\w*|favou?rite|record|leading|max\w*|min\w*"
    r"|\w{3,}(?:es?|s)t)\b"
)
# How many of them there are stands in a column.
_AMOUNTS = {"stock", "quantity", "rating", "id"}
# How a row is named: that of a person is shown though it was asked for.
_ROW_NAMES = {"name", "first_name", "last_name", "title"}


def twice(reading: Reading) -> Iterator[str]:
    """Look for what is shown, listed or demanded more than once."""
    root = reading.root
    listed = (root.expressions, *(node.expressions for node in root.find_all(exp.In)))
    for items in (*listed, reading.conditions, _ranges(reading)):
        texts = [item.sql(dialect="sqlite") for item in items]
        for place, text in enumerate(texts):
            if text in texts[:place]:
                yield f"{text} is there twice"


def _ranges(reading: Reading) -> list[exp.Expr]:
    return [node.this for node in reading.conditions if isinstance(node, exp.Between)]


def unsaid_not(reading: Reading) -> Iterator[str]:
    """Look for exclusions that are missing, or more than the question has."""
    root, said = reading.root, len(_NOT.findall(reading.bare_text))
    # No two alike, no stock, not delivered yet.
    none = any(node.right.name == "0" for node in root.find_all(exp.EQ))
    if said and not (root.find(exp.Not, exp.NEQ, exp.Null, exp.Distinct) or none):
        yield "nothing is excluded"
    if not said and root.find(exp.NEQ):
        yield "nothing is to be excluded"
    excluding = [node for node in root.find_all(exp.NEQ, exp.Not) if not isinstance(node.this, exp.Is)]
    if 0 < said < len(excluding):
        yield "too much is excluded"


def unused_functions(reading: Reading) -> Iterator[str]:
    """Look for averages, counts and ranks that are missing."""
    root, text = reading.root, reading.bare_text
    if _AVERAGE.search(text) and not root.find(exp.Avg):
        yield "average is named and not used"
    amounts = any(column.name in _AMOUNTS for column in root.find_all(exp.Column))
    if _HOW_MANY.search(text) and not amounts and not root.find(exp.Count, exp.Sum):
        yield "nothing is counted"
    if _MOST.search(text) and not root.find(exp.Limit, exp.Order, exp.Max, exp.Min):
        yield "nothing comes first"


def unsaid_rank(reading: Reading) -> Iterator[str]:
    """Look for a number of rows that the question doesn't name, where it wants all."""
    limit = reading.root.args.get("limit")
    if limit is None or _RANKED.search(reading.bare_text):
        return
    if limit.expression.name not in {f"{number:g}" for number in clear_numbers(reading.topic.question)}:
        yield "nothing is to come first"


def fixed(reading: Reading) -> Iterator[str]:
    """Look for groups of one value, and for a single column to show that has one value."""
    equal = [node.left for node in reading.conditions if isinstance(node, exp.EQ) and is_text(node.right)]
    group = reading.root.args.get("group")
    shown = [*(group.expressions if group else ())]
    if len(reading.root.expressions) == 1:
        shown += [e for e in reading.root.expressions if e.name not in _ROW_NAMES]
    for column in shown:
        if column in equal:
            yield f"{column.name} is the same in all rows"
