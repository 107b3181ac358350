"""Questions about numbers: one for all rows, one for somebody, one per group."""

from __future__ import annotations

from plugins.text2sql.demo.training.language.draft import Draft, plural
from plugins.text2sql.demo.training.language.expand import added, expand
from plugins.text2sql.demo.training.language.measures import Measure, draw_dimension, draw_measure
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.phrases import Speaker

_USED = ("orders.payment_method", "shipments.carrier")


def number(speaker: Speaker) -> Draft | None:
    """One number about all rows or those of a condition."""
    measure = draw_measure(speaker)
    if measure.counts:
        return None
    slots = {"m": expand(measure.name, speaker.rng)}
    phrase = _said_of(speaker, measure, slots)
    if phrase is None or not measure.fits(*phrase.conditions):
        return None
    select, wordings = measure.sql, ["number"]
    if speaker.rng.random() < 0.16:
        other = draw_measure(speaker, measure.base)
        if other.sql == measure.sql or not other.fits(*phrase.conditions):
            return None
        slots["m"] = f"{slots['m']} and {expand(other.name, speaker.rng)}"
        select = f"{select}, {other.sql}"
    elif measure.sql.startswith("sum(orders.total") or "unit_price" in measure.sql:
        wordings.append("number_revenue")
    elif measure.sql == "sum(order_items.quantity)":
        wordings.append("number_units")
    elif measure.sql.startswith("avg") and "price)" in measure.sql:
        wordings.append("number_price")
    text = speaker.say(slots, *wordings)
    return Draft(text, measure.base, select, what=select).take(phrase)


def _said_of(speaker: Speaker, measure: Measure, slots: dict[str, str]) -> Phrase | None:
    """Return what a number is said of, and put its words into ``slots``."""
    base, rng = measure.base, speaker.rng
    if base == "order_items" or rng.random() < 0.5:
        phrase = speaker.tail(base, 2)
        slots["c"] = " ".join(phrase.post)
    else:
        phrase = speaker.phrase(base, 2)
        if phrase.root != base or phrase.is_name:
            return None
        slots["c"] = f"{rng.choice(speaker.world.patterns['leads'])} {phrase.text(speaker.noun(base))}"
    slots["w"] = slots["c"].removeprefix("of ").removeprefix("for ").removeprefix("all ") or "products"
    return phrase


def spending(speaker: Speaker) -> Draft | None:
    """How much somebody has spent."""
    phrase = speaker.phrase("customers", 1, links=False)
    tail = speaker.tail("orders", int(speaker.rng.random() < 0.3))
    if not phrase.where or set(phrase.conditions) & set(tail.conditions):
        return None
    slots = {"np": phrase.text(speaker.noun("customers")), "c": " ".join(tail.post)}
    text = speaker.say(slots, "spending")
    draft = Draft(text, "orders", "sum(orders.total)", what="customers sum(orders.total)")
    return draft.take(phrase).take(tail)


def grouping(speaker: Speaker) -> Draft | None:
    """A number for each group."""
    rng, patterns, measure = speaker.rng, speaker.world.patterns, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    if by is None:
        return None
    slots = {
        "m": expand(measure.name, rng),
        "d": by.name,
        "ds": plural(by.name),
        "per": rng.choice(patterns["per"]),
    }
    tail = _rows(speaker, measure, slots)
    if tail is None or by.settled(tail) or not measure.fits(by.column, *tail.conditions):
        return None
    wordings, select = ["grouping"], f"{by.shown}, {measure.sql}"
    if measure.counts:
        wordings.append("grouping_count")
        if by.column in _USED:
            wordings.append("grouping_used")
    # Over the longest joins there is room for three columns.
    elif by.column != "customers.id" and rng.random() < 0.18:
        other = draw_measure(speaker, measure.base)
        if other.sql == measure.sql:
            return None
        slots["m"] = f"{slots['m']} and {expand(other.name, rng)}"
        select += f", {other.sql}"
    period = patterns["periods"].get(by.name)
    if period and rng.random() < 0.5:
        slots |= {"ly": period, "dd": by.name}
        wordings = ["grouping_time"]
    text, order = speaker.say(slots, *wordings), ""
    if tail.where and (slots["c"] or slots["b"]) not in text:
        return None
    if period and rng.random() < 0.2:
        text = added(text, expand(patterns["in_time"], rng))
        order = f" ORDER BY {by.column}"
    elif rng.random() < 0.22:
        down = rng.random() < 0.75
        text = added(text, expand(patterns["highest_first" if down else "lowest_first"], rng))
        order = f" ORDER BY {measure.sql}{' DESC' if down else ''}"
    what = f"{measure.sql} {by.column}{order[:3]}"
    return Draft(text, measure.base, select, tail=by.grouped + order, what=what).take(tail)


def _rows(speaker: Speaker, measure: Measure, slots: dict[str, str]) -> Phrase | None:
    """Return what a number is to be about, and put its words into ``slots``: rows as such, or conditions."""
    base, rng = measure.base, speaker.rng
    noun = speaker.noun(base) if base != "order_items" else "units"
    if base == "order_items" or rng.random() < 0.55:
        phrase = speaker.tail(base, 2)
        slots |= {"b": noun, "c": " ".join(phrase.post)}
        return phrase
    phrase = speaker.phrase(base, 2, links=False)
    if phrase.is_name or not phrase.where:
        return None
    slots |= {"b": phrase.text(noun), "c": ""}
    if measure.counts:
        slots["m"] = expand("(number of {b}|number of {b}|count of {b}|{b}|how many {b})", rng, slots)
    else:
        slots["m"] = expand("{m} (of|for|of|across) {b}", rng, slots)
    return phrase


def sold(speaker: Speaker) -> Draft | None:
    """How much of something was sold, or what it brought in."""
    phrase = speaker.named_or("products", 0.4, 2)
    tail = speaker.tail("orders", int(speaker.rng.random() < 0.4))
    # What the orders cost would be said of the goods.
    if not phrase.where or {"orders.total", *phrase.conditions} & set(tail.conditions):
        return None
    units = speaker.rng.random() < 0.6
    slots = {"np": phrase.text(speaker.noun("products")), "c": " ".join(tail.post)}
    text = speaker.say(slots, "sold_units" if units else "sold_money")
    measure = "sum(order_items.quantity)" if units else "sum(order_items.quantity * order_items.unit_price)"
    draft = Draft(text, "order_items", measure, what=f"products {measure}")
    return draft.take(phrase).take(tail)
