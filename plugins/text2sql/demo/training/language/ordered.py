"""The forms of a question about an order: the highest and lowest rows, sorted rows."""

from __future__ import annotations

from plugins.text2sql.demo.training.language.draft import Draft, which
from plugins.text2sql.demo.training.language.expand import added, expand
from plugins.text2sql.demo.training.language.literals import said_count
from plugins.text2sql.demo.training.language.phrases import Speaker

_NAMES = ("customers.last_name", "products.name", "suppliers.name")


def extremes(speaker: Speaker) -> Draft | None:
    """Which row has the highest or lowest value?"""
    rng, lexicon = speaker.rng, speaker.lexicon
    column = rng.choice(list(lexicon["superlatives"]))
    high = rng.choice((True, True, False))
    subject = column.partition(".")[0]
    phrase = speaker.phrase(subject, 2)
    if phrase.is_name or phrase.root != subject:
        return None
    word, count = said_count(rng)
    attribute = expand(lexicon["attributes"][column], rng)
    single = rng.random() < 0.55
    np = phrase.text(speaker.noun(subject, "one" if single else "many"), one=single)
    slots = {"np": np, "n": word, "a": attribute}
    slots["s"] = expand(lexicon["superlatives"][column]["high" if high else "low"], rng)
    slots["r"] = rng.choice(("highest", "largest", "biggest") if high else ("lowest", "smallest"))
    wordings = ["extreme"] if single else ["extremes", *(["extremes_top"] if high else [])]
    text, select = speaker.say(slots, *wordings), speaker.shown(subject)
    if rng.random() < 0.25:
        select = f"{select}, {column}"
        slots |= {"its": "its" if single else "their", "name": _called(subject, single)}
        text = added(text, expand(speaker.world.patterns["adding"], rng, slots))
    tail = f" ORDER BY {column}{' DESC' if high else ''} LIMIT {1 if single else count}"
    what = f"{column}{'high' if high else 'low'}"
    return Draft(text, phrase.root, select, tail=tail, what=what).take(phrase)


def sorting(speaker: Speaker) -> Draft | None:
    """Rows in an order."""
    rng, lexicon = speaker.rng, speaker.lexicon
    column = rng.choice([*lexicon["superlatives"], *_NAMES])
    subject = column.partition(".")[0]
    phrase = speaker.phrase(subject, 2)
    if phrase.is_name or phrase.root != subject:
        return None
    down = rng.random() < 0.5
    noun = speaker.noun(subject)
    slots = {"np": phrase.text(noun), "w": which(phrase, noun)}
    slots["a"] = expand(lexicon["attributes"][column], rng)
    direction = expand(speaker.world.patterns["descending" if down else "ascending"], rng)
    text, select = added(speaker.say(slots, "sorting"), direction), speaker.shown(subject)
    tail = f" ORDER BY {column}{' DESC' if down else ''}"
    if column in lexicon["superlatives"] and rng.random() < 0.5:
        first, tail = first_of(speaker, column)
        text = added(speaker.say(slots, "listing"), first)
        down = "DESC" in tail
    if column not in select and rng.random() < 0.3:
        select = f"{select}, {column}"
        slots |= {"its": "their", "name": _called(subject, single=False)}
        text = added(text, expand(speaker.world.patterns["adding"], rng, slots))
    return Draft(text, phrase.root, select, tail=tail, what=f"{column}{down}").take(phrase)


def first_of(speaker: Speaker, column: str) -> tuple[str, str]:
    """Return which rows are to come first, as ", cheapest first", and its SQL; nothing if no word fits."""
    rng, superlatives = speaker.rng, speaker.lexicon["superlatives"]
    if column not in superlatives:
        return "", ""
    high = rng.random() < 0.6
    slots = {"s": expand(superlatives[column]["high" if high else "low"], rng)}
    words = expand(speaker.world.patterns["first_ones"], rng, slots)
    return words, f" ORDER BY {column}{' DESC' if high else ''}"


def _called(subject: str, single: bool) -> str:
    word = {"orders": "id", "shipments": "id", "reviews": "title"}.get(subject, "name")
    return word if single else f"{word}s"
