"""The forms of a question about an order: the highest and lowest rows, sorted rows."""

from __future__ import annotations

from plugins.text2sql.training.draft import Draft, shown
from plugins.text2sql.training.expand import expand
from plugins.text2sql.training.literals import said_count
from plugins.text2sql.training.phrases import Speaker

_NAMES = ("customers.last_name", "products.name", "suppliers.name")
_ADDING = ("and", "with", "including")


def extremes(speaker: Speaker) -> Draft | None:
    """Which row has the highest or lowest value?"""
    rng, lexicon = speaker.rng, speaker.world.lexicon
    column = rng.choice(list(lexicon["superlatives"]))
    high = rng.choice((True, True, False))
    subject = column.partition(".")[0]
    phrase = speaker.phrase(subject, 2)
    if phrase.is_name or phrase.root != subject:
        return None
    word, count = said_count(rng)
    attribute = expand(lexicon["attributes"][column], rng)
    single = rng.random() < 0.55
    slots = {"np": phrase.text(speaker.noun(subject, "one" if single else "many")), "n": word, "a": attribute}
    slots["s"] = expand(lexicon["superlatives"][column]["high" if high else "low"], rng)
    slots["r"] = rng.choice(("highest", "largest", "biggest") if high else ("lowest", "smallest"))
    wordings = ["extreme"] if single else ["extremes", *(["extremes_top"] if high else [])]
    text, select = speaker.say(slots, *wordings), shown(subject)
    if rng.random() < 0.15:
        select = f"{select}, {column}"
        text += f" {rng.choice(_ADDING)} {'its' if single else 'their'} {attribute}"
    tail = f" ORDER BY {column}{' DESC' if high else ''} LIMIT {1 if single else count}"
    what = f"{column}{'high' if high else 'low'}"
    return Draft(text, phrase.root, select, tail=tail, what=what, one_row=single).about(phrase)


def sorting(speaker: Speaker) -> Draft | None:
    """Rows in an order."""
    rng, lexicon = speaker.rng, speaker.world.lexicon
    column = rng.choice([*lexicon["superlatives"], *_NAMES])
    subject = column.partition(".")[0]
    phrase = speaker.phrase(subject, 2)
    if phrase.is_name or phrase.root != subject:
        return None
    down = rng.random() < 0.5
    slots = {"np": phrase.text(speaker.noun(subject)), "a": expand(lexicon["attributes"][column], rng)}
    direction = expand(speaker.world.patterns["descending" if down else "ascending"], rng)
    text = f"{speaker.say(slots, 'sorting')} {direction}".replace(" ,", ",").strip()
    tail = f" ORDER BY {column}{' DESC' if down else ''}"
    return Draft(text, phrase.root, shown(subject), tail=tail, what=f"{column}{down}").about(phrase)
