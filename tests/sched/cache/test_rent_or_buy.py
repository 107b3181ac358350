"""Short prompts are rented until that has cost as much as the long one would."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sched.cache.rent_or_buy import RentOrBuy
from sched.workflow import PromptSeconds

COLD, WARM = PromptSeconds(10.0, 1.0), PromptSeconds(1.0, 1.0)
LINKED = PromptSeconds(4.0, 1.0)
KEPT, GONE = PromptSeconds(0.5, 0.5), PromptSeconds(3.0, 0.5)


def test_the_whole_is_bought_once_rents_reach_its_price() -> None:
    """Rents of 3 against a price of 9: the third question buys.  While it is cached, it is taken."""
    rule = RentOrBuy()
    taken = [rule.takes_whole("a", COLD, LINKED, KEPT) for _ in range(3)]
    assert taken == [False, False, True]
    assert rule.takes_whole("a", WARM, LINKED, KEPT)
    # Evicted: the rents begin anew.
    assert not rule.takes_whole("a", COLD, LINKED, KEPT)


def test_rents_are_counted_per_template() -> None:
    """What one template's prompts cost says nothing of another's cache."""
    rule = RentOrBuy()
    assert not rule.takes_whole("a", COLD, LINKED, None)
    assert not rule.takes_whole("b", COLD, LINKED, None)
    assert not rule.takes_whole("a", COLD, LINKED, KEPT)
    assert rule.takes_whole("a", COLD, LINKED, KEPT)
    assert not rule.takes_whole("b", COLD, LINKED, KEPT)


def test_nothing_is_bought_that_would_not_last() -> None:
    """What was shown last is evicted by the next question: rents never add up."""
    rule = RentOrBuy()
    assert not any(rule.takes_whole("a", COLD, LINKED, GONE) for _ in range(100))


def test_what_fits_no_context_is_never_taken() -> None:
    """Nor is it rented for."""
    rule = RentOrBuy()
    never = PromptSeconds(math.inf, math.inf)
    assert not any(rule.takes_whole("a", never, LINKED, KEPT) for _ in range(100))
    assert not rule.takes_whole("a", never, never, KEPT)


def test_what_is_dearer_even_when_it_is_cached_is_never_taken() -> None:
    """Long answers read a long prompt's KV again and again."""
    rule = RentOrBuy()
    dear, cached = PromptSeconds(15.0, 6.0), PromptSeconds(6.0, 6.0)
    assert not any(rule.takes_whole("a", dear, LINKED, KEPT) for _ in range(100))
    assert not rule.takes_whole("a", cached, LINKED, KEPT)


@given(
    linked=st.lists(st.floats(0, 20), max_size=60),
    price=st.floats(0.1, 50),
    warm=st.floats(0, 5),
)
def test_it_costs_at_most_twice_what_is_best_in_hindsight(
    linked: list[float], price: float, warm: float
) -> None:
    """For any series of questions while nothing is evicted: renting always, or buying at the best moment."""
    rule, cached, cost = RentOrBuy(), False, 0.0
    for beyond in linked:
        whole = PromptSeconds(warm if cached else warm + price, warm)
        short = PromptSeconds(warm + beyond, warm)
        if rule.takes_whole("a", whole, short, KEPT):
            cost, cached = cost + whole.now, True
        else:
            cost += short.now
    bought = [
        sum(linked[:place]) + price if place < len(linked) else sum(linked)
        for place in range(len(linked) + 1)
    ]
    assert cost - warm * len(linked) <= 2 * min(bought) + 1e-6
