"""The forms of a question about rows: counting, listing, ties, attributes, different values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plugins.text2sql.demo.training.language import turned
from plugins.text2sql.demo.training.language.draft import Draft, plural, which
from plugins.text2sql.demo.training.language.expand import added, expand
from plugins.text2sql.demo.training.language.literals import said_limit
from plugins.text2sql.demo.training.language.ordered import first_of
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.phrases import Speaker

_MOST_CONDITIONS = 3
"""As many as the grammar has room for."""
# How often one, two and three columns are asked for; of three, one is easily forgotten.
_COLUMNS_ASKED, _COLUMNS_LEARNED = (50, 32, 18), (44, 32, 24)
_NUMEROUS = ("customers", "products", "suppliers", "categories")
_RELATIVE = re.compile(r"^(who|that) ")
# It would be a sum.
_REVENUE = re.compile(r"\b(total|amount of) sales\b")


def counting(speaker: Speaker) -> Draft | None:
    """How many rows?"""
    subject = speaker.subject("rows")
    phrase = speaker.phrase(subject, 3)
    if phrase.is_name:
        return None
    free = phrase.root == subject and len(phrase.where) < _MOST_CONDITIONS
    if subject in _NUMEROUS and free and speaker.rng.random() < 0.12:
        turned.counted(speaker, phrase, *said_limit(speaker.rng))
    # Where sales are listed or summed up, the word could mean revenue as well.
    sales = subject == "orders" and speaker.rng.random() < 0.1
    noun = "sales" if sales else speaker.noun(subject)
    text = speaker.say({"np": phrase.text(noun), "w": which(phrase, noun)}, "counting")
    if _REVENUE.search(text):
        return None
    return Draft(text, phrase.root, phrase.count, what=subject).take(phrase)


def listing(speaker: Speaker) -> Draft | None:
    """Which rows?"""
    subject = speaker.subject("rows")
    phrase = speaker.phrase(subject, 3)
    if phrase.is_name:
        return None
    noun = speaker.noun(subject)
    slots = {"np": phrase.text(noun), "w": which(phrase, noun)}
    wordings = ["listing"]
    if subject in ("customers", "suppliers"):
        wordings.append("listing_people")
        if not phrase.pre and len(phrase.post) == 1 and _RELATIVE.match(phrase.post[0]):
            slots["verb"] = _RELATIVE.sub("", phrase.post[0])
            wordings.append("listing_who")
    if subject in ("products", "categories"):
        wordings.append("listing_things")
    text = speaker.say(slots, *wordings)
    return Draft(text, phrase.root, phrase.distinct + speaker.shown(subject), what=subject).take(phrase)


def tied(speaker: Speaker) -> Draft | None:
    """How many, or which, rows are tied to others: how many orders did Anna place?"""
    rng, subject = speaker.rng, speaker.subject("tied")
    found = speaker.inverted(subject)
    if found is None:
        return None
    phrase, words = found
    slots = {"s": speaker.noun(subject), "v": words, "d": rng.choice(("", "different ", "distinct "))}
    if rng.random() < 0.55:
        slots["d"] = slots["d"] if phrase.distinct else ""
        text = speaker.say(slots, "tied_count")
        return Draft(text, phrase.root, phrase.count, what=subject).take(phrase)
    wordings = ["tied"]
    if subject == "customers":
        wordings.append("tied_who")
    if subject == "products" and words.startswith(("did", "has", "have")):
        wordings.append("tied_what")
    text = speaker.say(slots, *wordings)
    return Draft(text, phrase.root, phrase.distinct + speaker.shown(subject), what=subject).take(phrase)


def attributes(speaker: Speaker) -> Draft | None:
    """What is written about a row or rows?"""
    rng, lexicon, subject = speaker.rng, speaker.lexicon, speaker.subject("rows")
    names = [column for column in lexicon["attributes"] if column.startswith(f"{subject}.")]
    weights = _COLUMNS_LEARNED if speaker.mode == "train" else _COLUMNS_ASKED
    chosen = rng.sample(names, min(len(names), rng.choices((1, 2, 3), weights)[0]))
    said = [expand(lexicon["attributes"][column], rng) for column in chosen]
    phrase = speaker.phrase(subject, 2)
    if not phrase.where and rng.random() < 0.5:
        return None
    if any(f"{column} = '" in condition for column in chosen for condition in phrase.where):
        return None
    joined = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    slots = {"a": joined, "np": phrase.text(speaker.noun(subject))}
    select = ", ".join(chosen)
    asks = lexicon["asks"].get(chosen[0]) if len(chosen) == 1 else None
    if asks and rng.random() < 0.4:
        text = expand(asks, rng, slots)
    elif rng.random() < 0.35 and _fits(lexicon["shown"][subject], chosen) and not phrase.whole:
        select = f"{speaker.shown(subject)}, {select}"
        text = speaker.say(slots, "attributes_too")
    else:
        text = speaker.say(slots, "attributes")
    what = " ".join([subject, *sorted(chosen)])
    # Cities of customers are those that there are, as when one asks for the different ones.
    kinds = not phrase.is_name and select in lexicon["dimensions"]
    once = "DISTINCT " if kinds else phrase.distinct
    first, tail = "", ""
    if len(chosen) == 1 and not phrase.is_name and rng.random() < 0.15:
        first, tail = first_of(speaker, chosen[0])
    return Draft(added(text, first), phrase.root, once + select, tail=tail, what=what).take(phrase)


def _fits(shown: Sequence[str], chosen: Sequence[str]) -> bool:
    """Return whether ``chosen`` columns can stand beside those that are ``shown``: there is room for four."""
    return not set(shown) & set(chosen) and len(shown) + len(chosen) <= 4


def distinct(speaker: Speaker) -> Draft | None:
    """Which different values are there, or how many?"""
    rng = speaker.rng
    dimensions = speaker.lexicon["dimensions"].items()
    column, words = rng.choice([item for item in dimensions if not item[0].endswith(("name", ".id"))])
    base = column.partition(".")[0]
    phrase = speaker.phrase(base, 1) if base != "categories" else Phrase(base, base)
    if phrase.whole or column in phrase.conditions:
        return None
    slots = {"d": plural(expand(words, rng)), "np": phrase.text(speaker.noun(base))}
    counted = rng.random() < 0.4
    text = speaker.say(slots, "distinct_count" if counted else "distinct")
    if phrase.where and slots["np"] not in text:
        return None
    select = f"count(DISTINCT {column})" if counted else f"DISTINCT {column}"
    return Draft(text, phrase.root, select, what=column).take(phrase)
