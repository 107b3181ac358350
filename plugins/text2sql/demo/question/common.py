"""Words of a question that seldom mean the stored value that is spelled like them."""

from __future__ import annotations

import re

from plugins.text2sql.spans import COMMON_WORDS

COMMON = COMMON_WORDS | {"goods", "home", "paid", "supply"}
"""Those of the demo shop, too."""
# Where two of them do mean the value, and where one doesn't after all (paid by card).
_HOME = r"(?:department|dept|section|products?|items?|articles?|goods|things|reviews?|opinions?|comments?)"
_PAID_BY = (
    r"(?:(?:by|for|with|via|the|through|using|in|on|over|under|at|up|no|an?|only|mostly|more|less|most|least"
    r"|shipping|card|paypal|invoice|transfer|either)\b|€|\d)"
)
_PLAIN = {
    "home": re.compile(
        rf"\bhome {_HOME}\b|\bdepartment (?:is |of )?home\b"
        r"|\b(?:in|within|belongs? to|belonging to) home\b(?! (?:town|countr|cit|address|deliver|office))"
    ),
    "paid": re.compile(
        r"\bpaid (?:orders?|purchases?|transactions?|sales)\b|\b(?:marked as|status(?: is| of)?) paid\b"
        rf"|\b(?:is|are|was|were|been|already|got|currently|neither|nor|or|and) paid\b(?! {_PAID_BY})"
    ),
}
_OTHERWISE = {"paid": re.compile(r"\bhow (?!many|much)|\bmeans\b|\bways?\b")}


def plainly(question: str, word: str) -> bool:
    """Return whether ``question`` means a stored value by the ``COMMON`` word ``word``.

    Both are in small letters.
    """
    if word not in _PLAIN or (word in _OTHERWISE and _OTHERWISE[word].search(question)):
        return False
    return _PLAIN[word].search(question) is not None
