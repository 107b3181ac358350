"""Places in SGLang's own queue: urgent calls go first, and a deadline that changes moves a waiting call."""

from __future__ import annotations

import pytest

from tests.real.real_queue import DAY, LAST_TOKENS, begun_order
from tests.real.real_server import RealServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_an_urgent_call_is_begun_before_those_that_wait(pair: RealServer) -> None:
    """The last to come, with the nearest deadline, is the first that SGLang begins."""
    order, _ = begun_order(pair, "urgent", 1.0)
    assert order[0] == LAST_TOKENS
    assert len(order) > 2


def test_a_relaxed_call_waits_for_those_before_it(pair: RealServer) -> None:
    """The same call with the latest deadline is begun last, and so would it be without another deadline."""
    order, call = begun_order(pair, "unpatched", DAY)
    assert order[-1] == LAST_TOKENS
    assert (call["rekeys"], call["attempts"]) == (0, 1)


def test_a_call_in_sglangs_queue_takes_the_place_of_its_new_deadline(pair: RealServer) -> None:
    """Given the nearest deadline by PATCH while it waits inside SGLang, it goes first there."""
    order, call = begun_order(pair, "patched", DAY, patched=1.0)
    assert order[0] == LAST_TOKENS
    assert (call["rekeys"], call["attempts"]) == (1, 1)


def test_priority_reorders_the_queue_inside_sglang(pair: RealServer) -> None:
    """A late call with the latest deadline, but with priority, goes first."""
    order, _ = begun_order(pair, "prior", DAY, priority=1)
    assert order[0] == LAST_TOKENS
