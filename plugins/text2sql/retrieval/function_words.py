"""English words that hold a question together and seldom name what a database holds, in small letters."""

from __future__ import annotations

_ARTICLES_AND_PRONOUNS = """
a an the this that these those i me my mine we us our ours you your yours he him his she her hers it its they
them their theirs one ones someone somebody something anyone anybody anything everyone everybody everything
nobody nothing none each every either neither both all any some such other others another same own self
"""
_QUESTION_WORDS = "what which who whom whose when where why how whether"
_COMPARISONS = """
much many more most less least few fewer fewest lot lots enough than as like over under above below between
within up down long longer longest shorter shortest bigger biggest smaller smallest larger largest greater
greatest higher highest lower lowest better worse worst earlier earliest later latest older oldest younger
youngest newer newest exactly equal equals about around almost nearly only just even still too very so
minimum maximum min max per
"""
_VERBS = """
am is are was were be been being do does did doing done have has had having can could will would shall should
may might must let lets get gets got give gives given show shows shown list lists tell find found want wants
need needs know please
"""
_JOINING_WORDS = """
and or but nor not no yes if then else because while though although until since after before during without
with of in on at by for from to into onto off out through across against along among toward towards via upon
again ever never always often once there here now today also well instead
"""

FUNCTION_WORDS = frozenset(
    f"{_ARTICLES_AND_PRONOUNS} {_QUESTION_WORDS} {_COMPARISONS} {_VERBS} {_JOINING_WORDS}".split()
)
"""Articles, pronouns, question words, comparisons, plain verbs, prepositions."""
_ADJECTIVES = "dear easy fair fine nice poor pretty quick real rich whole"

ORDINARY_WORDS = FUNCTION_WORDS | frozenset(_ADJECTIVES.split())
"""With adjectives that seldom say what a database holds and are names as well (Nice, Rich)."""
_QUALITIES = """
best big bottom early good great high large late little low new old short small top upper young
"""
DULL_WORDS = ORDINARY_WORDS | frozenset(_QUALITIES.split())
"""Words that resemble no value.  Those that aren't ordinary may be one (a high priority)."""
