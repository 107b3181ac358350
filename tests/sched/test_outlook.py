"""What a call is expected to take from the moment it is sent."""

from __future__ import annotations

import pytest

from sched.events import CallFinished
from sched.latency import LatencyModel
from sched.load import Load
from sched.outlook import Outlook
from sched.request import Call
from sched.speed import Speed
from tests.factories import call_spec, make_call

SPEED = Speed(prefill=0.001, decode=0.02, call=0.005, request=0.01)


def outlook() -> tuple[Outlook, Load]:
    load = Load()
    return Outlook(LatencyModel.calibrated(SPEED), load), load


def sent(to: Outlook, load: Load, call_id: int, stall_share: float = 0.0) -> Call:
    call = make_call(call_id, spec=call_spec(call_id, prompt_tokens=100))
    load.add(call)
    to.sent(call, stall_share, 0.0)
    return call


def test_alone_it_is_prefill_and_steps() -> None:
    """A lone call takes its overhead, its prefill and nine steps."""
    call = sent(*outlook(), 1)
    assert call.expected_seconds == pytest.approx(0.01 + 0.1 + 9 * 0.02, rel=1e-3)


def test_what_was_sent_before_comes_first() -> None:
    """The second call waits for the first one's prefill and shares its steps; stalls stretch these."""
    view, load = outlook()
    first = sent(view, load, 1)
    second = sent(view, load, 2)
    assert second.expected_seconds == pytest.approx(0.01 + 0.2 + 9 * 0.025, rel=1e-2)
    load.start(first)
    view.first_token(first, 0, 0.0)
    third = sent(view, load, 3, stall_share=0.5)
    assert third.expected_seconds == pytest.approx(0.01 + 0.2 + 9 * 0.03 / 0.5, rel=1e-2)


def test_it_learns_what_the_model_cannot_know() -> None:
    """Calls that always take twice as long are expected to, soon; the errors tell how far off it was."""
    view, load = outlook()
    for call_id in range(1, 120):
        call = sent(view, load, call_id)
        load.start(call)
        view.first_token(call, 40, 0.0)
        view.finished(call, CallFinished(call_id, 1, 40, 10, 0.22, 0.22 + 0.36))
        view.forget(call_id)
        load.remove(call, started=True)
    assert sent(view, load, 200).expected_seconds == pytest.approx(0.58, rel=0.1)
    errors = view.describe()
    assert errors["service_seconds"]["predictions"] == 119
    assert errors["cached_tokens"]["median"] == 40
    assert errors["cached_tokens"]["median_share"] == pytest.approx(0.4)
    assert errors["output_tokens"]["p90"] == 0
    assert (errors["service_seconds"]["p90"] or 0) <= 0.3
