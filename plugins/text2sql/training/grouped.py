"""Questions about numbers: one for all rows, one for somebody, one per group."""

from __future__ import annotations

from plugins.text2sql.training.draft import Draft, plural
from plugins.text2sql.training.expand import expand
from plugins.text2sql.training.measures import Measure, draw_dimension, draw_measure
from plugins.text2sql.training.phrase import Phrase
from plugins.text2sql.training.phrases import Speaker

_LEADS = ("of", "of", "for", "of all", "across", "over all", "among")
_PER = ("per", "per", "by", "for each", "for every", "for each", "in each", "grouped by", "of each")


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
    if speaker.rng.random() < 0.08:
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
    return Draft(text, measure.base, select, what=select, one_row=True).about(phrase)


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
        slots["c"] = f"{rng.choice(_LEADS)} {phrase.text(speaker.noun(base))}"
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
    draft = Draft(text, "orders", "sum(orders.total)", what="sum(orders.total)", one_row=True)
    return draft.about(phrase).about(tail)


def grouping(speaker: Speaker) -> Draft | None:
    """A number for each group."""
    rng, measure = speaker.rng, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    if by is None:
        return None
    tail = speaker.tail(measure.base, 2)
    if by.column in tail.conditions or not measure.fits(by.column, *tail.conditions):
        return None
    slots = {"m": expand(measure.name, rng), "d": by.name, "ds": plural(by.name), "c": " ".join(tail.post)}
    slots["per"] = rng.choice(_PER)
    wordings = ["grouping"]
    if measure.counts:
        slots["b"] = speaker.noun(measure.base)
        wordings.append("grouping_count")
    text, order = speaker.say(slots, *wordings), ""
    if rng.random() < 0.22:
        down = rng.random() < 0.75
        text += expand(speaker.world.patterns["highest_first" if down else "lowest_first"], rng)
        order = f" ORDER BY {measure.sql}{' DESC' if down else ''}"
    what = f"{measure.sql} {by.column}{order[:3]}"
    draft = Draft(text, measure.base, f"{by.shown}, {measure.sql}", tail=by.grouped + order, what=what)
    return draft.about(tail)
