"""Questions about groups: those with the highest or lowest number, those above a limit."""

from __future__ import annotations

from plugins.text2sql.demo.training.language.draft import Draft, plural
from plugins.text2sql.demo.training.language.expand import added, expand
from plugins.text2sql.demo.training.language.literals import said_count, said_limit
from plugins.text2sql.demo.training.language.measures import Measure, draw_dimension, draw_measure
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.phrases import Speaker

_AMOUNTS = (50, 100, 200, 300, 500, 800, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000)
_DAYS = (2, 3, 4, 5, 6, 7, 10)
_TIMES = {">1": "more than once", ">2": "more than twice", ">=2": "at least twice", "=1": "only once"}
# What is counted most often is liked most.
_LIKED = ("orders.payment_method", "shipments.carrier", "orders.status", "reviews.rating")


def ranking(speaker: Speaker) -> Draft | None:
    """The groups with the highest or lowest number."""
    rng, measure = speaker.rng, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    low = bool(measure.least) and rng.random() < 0.25
    if by is None or not (measure.least if low else measure.most):
        return None
    phrase = by.phrase(speaker, 0.45)
    if phrase.whole:
        return None
    tail = speaker.tail(measure.base, int(rng.random() < (0.25 if phrase.where else 0.45)))
    rows = _counted(speaker, measure)
    tail = rows if rows.where else tail
    if by.settled(tail) or not measure.fits(by.column, *tail.conditions):
        return None
    many = rng.random() < 0.4
    word, count = said_count(rng) if many else ("", 1)
    several = many or rng.random() < 0.2
    noun = plural(by.name) if several else by.name
    slots = {"n": word, "c": " ".join(tail.post), "np": phrase.text(noun)}
    verb = expand(measure.least if low else measure.most, rng)
    if rows.where:
        slots |= {"c": "", "b": rows.text(speaker.noun(measure.base))}
        verb = expand(speaker.world.patterns["has_fewest" if low else "has_most"], rng, slots)
    slots["v"] = _agreed(verb, several)
    text, with_number = _ranked(speaker, measure, slots, low, by.column)
    unsaid = phrase.where and slots["np"] not in text
    if unsaid or word not in text or (rows.where and slots["b"] not in text):
        return None
    order = f"{by.grouped} ORDER BY {measure.sql}{'' if low else ' DESC'} LIMIT {count}"
    select = f"{by.shown}, {measure.sql}" if with_number else by.shown
    what = f"{measure.sql} {by.column}{low}"
    return Draft(text, measure.base, select, tail=order, what=what).take(phrase).take(tail)


def _counted(speaker: Speaker, measure: Measure) -> Phrase:
    """Return at times a phrase of what ``measure`` counts, if it counts; else one without conditions."""
    none = Phrase(measure.base, measure.base)
    if speaker.rng.random() >= 0.3 or not measure.counts:
        return none
    rows = speaker.phrase(measure.base, 2, links=False)
    return none if rows.is_name else rows


def _agreed(verb: str, many: bool) -> str:
    for one, several in (("has ", "have "), ("is ", "are "), ("was ", "were ")):
        verb = verb.replace(one, several) if many else verb.replace(several, one)
    return verb


def _ranked(
    speaker: Speaker, measure: Measure, slots: dict[str, str], low: bool, column: str
) -> tuple[str, bool]:
    """Return the question, and whether it asks for the number too."""
    rng, many = speaker.rng, bool(slots["n"])
    slots["m"] = expand(measure.name, rng)
    slots["most"] = "lowest" if low else rng.choice(("highest", "highest", "largest", "biggest"))
    slots["top"] = "bottom" if low else "top"
    praise = measure.worst if low else measure.best
    if measure.counts and column in _LIKED:
        praise = speaker.world.patterns["unpopular" if low else "popular"]
    told = expand(speaker.world.patterns["told"], rng, slots) if rng.random() < 0.16 else ""
    if praise and rng.random() < 0.4:
        slots["best"] = expand(praise, rng)
        return added(speaker.say(slots, "praised", *(["praised_top"] if many else [])), told), bool(told)
    bare = slots["v"].removeprefix("has ").removeprefix("have ")
    slots["with"] = f"with {bare}" if bare != slots["v"] else f"that {slots['v']}"
    if not many:
        wordings = ["first", *(["first_who"] if column == "customers.id" else [])]
        return added(speaker.say(slots, *wordings), told), bool(told)
    if rng.random() < 0.5:
        return speaker.say(slots, "several_with_number"), True
    return added(speaker.say(slots, "several"), told), bool(told)


def having(speaker: Speaker) -> Draft | None:
    """The groups whose number is above or below a limit."""
    rng, measure = speaker.rng, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    if by is None or not measure.fits(by.column):
        return None
    phrase = by.phrase(speaker, 0.3)
    if phrase.whole:
        return None
    words, compared = said_limit(rng, () if measure.counts else _limits(measure))
    noun = plural(by.name)
    slots = {"np": phrase.text(noun), "x": words, "m": expand(measure.name, rng)}
    rows, wordings = Phrase(measure.base, measure.base), ["having"]
    if measure.counts:
        rows = _counted(speaker, measure)
        if by.settled(rows):
            return None
        slots["b"] = rows.text(speaker.noun(measure.base))
        wordings = ["having_count"]
        if by.column == "customers.id" and measure.base == "orders" and not rows.where:
            wordings.append("having_orders")
            slots["t"] = _TIMES.get(compared.replace(" ", ""), f"{words} times")
    elif measure.sql == "sum(order_items.quantity)":
        wordings.append("having_units")
    text, select = speaker.say(slots, *wordings), by.shown
    if rng.random() < 0.18:
        told = speaker.world.patterns["told_many" if measure.counts else "told"]
        text = added(text, expand(told, rng, slots))
        select = f"{by.shown}, {measure.sql}"
    if any(said.where and slots[slot] not in text for slot, said in (("np", phrase), ("b", rows))):
        return None
    tail = f"{by.grouped} HAVING {measure.sql} {compared}"
    what = f"{measure.sql} {by.column}{compared[:2]}"
    return Draft(text, measure.base, select, tail=tail, what=what).take(phrase).take(rows)


def _limits(measure: Measure) -> tuple[int, ...]:
    """Return the numbers that ``measure``, which is no count, is compared with."""
    if "rating" in measure.sql:
        return (2, 3, 4)
    return _DAYS if "julianday" in measure.sql else _AMOUNTS
