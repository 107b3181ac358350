"""Questions about what belongs to somebody or something: its category, its carrier, the last order."""

from __future__ import annotations

from plugins.text2sql.demo.training.language.draft import Draft
from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.phrases import Speaker

_LAST = "max(orders.ordered_on)"
_FIRST = "min(orders.ordered_on)"


def related(speaker: Speaker) -> Draft | None:
    """What another table tells of a row or rows."""
    rng, wordings = speaker.rng, speaker.lexicon["related"]
    key = rng.choice(list(wordings))
    subject, _, column = key.partition(">")
    phrase = speaker.named_or(subject, 0.75, 2)
    if not phrase.where or phrase.root != subject:
        return None
    text = expand(wordings[key], rng, {"np": phrase.text(speaker.noun(subject))})
    table = column.partition(".")[0]
    select = column if "." in column else speaker.shown(column)
    once = "" if phrase.is_name else "DISTINCT "
    # A shipment refers to its order, not the other way round.
    root = "shipments" if table == "shipments" else subject
    return Draft(text, root, once + select, what=key).take(phrase)


def when(speaker: Speaker) -> Draft | None:
    """When somebody ordered last, or first."""
    rng = speaker.rng
    phrase = speaker.named_or("customers", 0.7, 1)
    if not phrase.where:
        return None
    last = rng.random() < 0.7
    slots = {"np": phrase.text(speaker.noun("customers"))}
    text = speaker.say(slots, "last_order" if last else "first_order")
    select = _LAST if last else _FIRST
    return Draft(text, "orders", select, what=f"customers {select}").take(phrase)
