"""Questions about groups: those with the highest or lowest number, those above a limit."""

from __future__ import annotations

from plugins.text2sql.training.draft import Draft, plural
from plugins.text2sql.training.expand import expand
from plugins.text2sql.training.literals import said_count
from plugins.text2sql.training.measures import Measure, draw_dimension, draw_measure
from plugins.text2sql.training.phrases import Speaker

_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100)
_AMOUNTS = (50, 100, 200, 300, 500, 800, 1000, 2000, 5000)
_LIMITS = (
    (">", "(more than|over|above)"),
    (">", "(more than|over)"),
    (">=", "(at least|no less than)"),
    ("<", "(less than|fewer than|under)"),
    ("=", "exactly"),
)


_TIMES = {">1": "more than once", ">2": "more than twice", ">=2": "at least twice", "=1": "only once"}
_FEW = {
    ">": ("more than one", "more than two", "more than three"),
    ">=": ("one or more", "at least two", "three or more"),
}


def ranking(speaker: Speaker) -> Draft | None:
    """The groups with the highest or lowest number."""
    rng, measure = speaker.rng, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    low = bool(measure.least) and rng.random() < 0.25
    if by is None or not (measure.least if low else measure.most):
        return None
    phrase = by.phrase(speaker, 0.45)
    if phrase and phrase.whole:
        return None
    tail = speaker.tail(measure.base, int(rng.random() < (0.25 if phrase and phrase.where else 0.45)))
    if by.column in tail.conditions or not measure.fits(by.column, *tail.conditions):
        return None
    many = rng.random() < 0.4
    word, count = said_count(rng) if many else ("", 1)
    several = many or rng.random() < 0.2
    noun = plural(by.name) if several else by.name
    slots = {"n": word, "c": " ".join(tail.post), "np": phrase.text(noun) if phrase else noun}
    slots["v"] = _agreed(expand(measure.least if low else measure.most, rng), several)
    text, with_number = _ranked(speaker, measure, slots, low, by.column == "customers.id")
    if phrase and phrase.where and slots["np"] not in text:
        return None
    order = f"{by.grouped} ORDER BY {measure.sql}{'' if low else ' DESC'} LIMIT {count}"
    select = f"{by.shown}, {measure.sql}" if with_number else by.shown
    what = f"{measure.sql} {by.column}{low}"
    draft = Draft(text, measure.base, select, tail=order, what=what, one_row=not many)
    for said in (phrase, tail):
        if said:
            draft.about(said)
    return draft


def _agreed(verb: str, many: bool) -> str:
    for one, several in (("has ", "have "), ("is ", "are "), ("was ", "were ")):
        verb = verb.replace(one, several) if many else verb.replace(several, one)
    return verb


def _ranked(
    speaker: Speaker, measure: Measure, slots: dict[str, str], low: bool, people: bool
) -> tuple[str, bool]:
    """Return the question, and whether it asks for the number too."""
    rng, many = speaker.rng, bool(slots["n"])
    slots["m"] = expand(measure.name, rng)
    slots["most"] = "lowest" if low else rng.choice(("highest", "highest", "largest", "biggest"))
    slots["top"] = "bottom" if low else "top"
    praise = measure.worst if low else measure.best
    if praise and rng.random() < 0.4:
        slots["best"] = expand(praise, rng)
        return speaker.say(slots, "praised", *(["praised_top"] if many else [])), False
    bare = slots["v"].removeprefix("has ").removeprefix("have ")
    slots["with"] = f"with {bare}" if bare != slots["v"] else f"that {slots['v']}"
    if not many:
        return speaker.say(slots, "first", *(["first_who"] if people else [])), False
    with_number = rng.random() < 0.5
    return speaker.say(slots, "several_with_number" if with_number else "several"), with_number


def having(speaker: Speaker) -> Draft | None:
    """The groups whose number is above or below a limit."""
    rng, measure = speaker.rng, draw_measure(speaker)
    by = draw_dimension(speaker, measure)
    if by is None or not measure.fits(by.column):
        return None
    phrase = by.phrase(speaker, 0.3)
    if phrase and phrase.whole:
        return None
    if measure.counts:
        limit = rng.choice(_COUNTS)
    else:
        limit = rng.randint(2, 4) if "rating" in measure.sql else rng.choice(_AMOUNTS)
    sign, said = rng.choice(_LIMITS if measure.counts else _LIMITS[:-1])
    noun = plural(by.name)
    slots = {"np": phrase.text(noun) if phrase else noun, "x": f"{expand(said, rng)} {limit}"}
    slots |= {"b": "units", "m": expand(measure.name, rng)}
    if measure.counts and sign in (">", ">=") and limit <= 3 and rng.random() < 0.5:
        slots["x"] = _FEW[sign][limit - 1]
    wordings = ["having"]
    if measure.counts:
        slots["b"] = speaker.noun(measure.base)
        wordings = ["having_count"]
        if by.column == "customers.id" and measure.base == "orders":
            wordings.append("having_orders")
            slots["t"] = _TIMES.get(f"{sign}{limit}", f"{slots['x']} times")
    tail = f"{by.grouped} HAVING {measure.sql} {sign} {limit}"
    what = f"{measure.sql} {by.column}{sign}"
    text = speaker.say(slots, *wordings)
    if phrase and phrase.where and slots["np"] not in text:
        return None
    draft = Draft(text, measure.base, by.shown, tail=tail, what=what)
    return draft.about(phrase) if phrase else draft
