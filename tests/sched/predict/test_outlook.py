"""What a call is expected to take from the moment it is sent."""

from __future__ import annotations

import pytest

from sched.cache.prefill import Ahead
from sched.events import CallFinished
from sched.load import PlacedLoad
from sched.predict.latency import LatencyModel
from sched.predict.outlook import Outlook
from sched.predict.prompt_sums import Prompt, PromptSums
from sched.predict.speed import Speed
from sched.request import Call
from tests.factories import call_spec, make_call

SPEED = Speed(prefill=0.001, decode=0.02, call=0.005, request=0.01)


def outlook() -> tuple[Outlook, PlacedLoad]:
    load = PlacedLoad()
    return Outlook(LatencyModel.calibrated(SPEED), load), load


def sent(
    to: Outlook,
    load: PlacedLoad,
    call_id: int,
    before: int = 0,
    beside: int = 0,
    now: float = 0.0,
    output: int = 10,
) -> Call:
    call = make_call(call_id, spec=call_spec(call_id, prompt_tokens=100))
    call.likely_output_tokens = float(output)
    load.add(call)
    send(to, call, before, beside, now)
    return call


def send(to: Outlook, call: Call, before: int = 0, beside: int = 0, now: float = 0.0) -> None:
    """Send a call after and beside some uncached prompts of 100 tokens, computed since 0 s."""
    prompt, other = to.prompt(call), Prompt(100, 0)
    to.sent(
        call, prompt, Ahead(PromptSums([other] * before), PromptSums([prompt, *[other] * beside]), 0.0), now
    )


def test_alone_it_is_prefill_and_steps() -> None:
    """A lone call takes its overhead, its prefill and nine steps."""
    call = sent(*outlook(), 1)
    assert call.expected_seconds == pytest.approx(0.01 + 0.1 + 9 * 0.02, rel=1e-3)


def test_what_was_sent_before_comes_first() -> None:
    """A prompt waits for what is left of the batch in computation, and for all of its own batch."""
    view, load = outlook()
    sent(view, load, 1)
    alone = sent(view, load, 2, output=1)
    together = sent(view, load, 3, beside=1, output=1)
    waited = sent(view, load, 4, before=1, now=0.04, output=1)
    assert alone.expected_seconds == pytest.approx(0.01 + 0.1)
    assert together.expected_seconds == pytest.approx(0.01 + 0.2)
    assert waited.expected_seconds == pytest.approx(0.01 + 0.06 + 0.1)


def test_a_running_batch_ends_its_step_first() -> None:
    """On a runtime that decodes, half a step passes before a prompt is taken in; and tokens take turns."""
    view, load = outlook()
    alone = sent(view, load, 1)
    load.start(alone)
    view.first_token(alone, 0)
    second = sent(view, load, 2)
    step = (0.02 * 0.025) ** 0.5  # between the recent rate and the present step
    assert second.expected_seconds == pytest.approx(0.01 + 0.1 + 0.01 + 9 * step, rel=0.02)


def test_it_learns_what_the_model_cannot_know() -> None:
    """Calls that always take twice as long are expected to, soon; the errors tell how far off it was."""
    view, load = outlook()
    for call_id in range(1, 120):
        call = sent(view, load, call_id)
        load.start(call)
        view.first_token(call, 0)
        view.finished(call, CallFinished(call_id, 1, 0, 10, 0.22, 0.22 + 0.36), 0.22 + 0.36)
        view.forget(call_id)
        load.remove(call, started=True)
    assert sent(view, load, 200).expected_seconds == pytest.approx(0.58, rel=1e-3)
    errors = view.describe()
    assert errors["service_seconds"]["predictions"] == 119
    assert errors["service_seconds"]["median"] == pytest.approx(0, abs=1e-6)
    assert errors["output_tokens"]["p90"] == 0


def served(
    to: Outlook, load: PlacedLoad, call_id: int, ttft: float, decode: float, ways: float, output: int = 10
) -> None:
    """Serve a call; ``ways``: seconds to the runtime and back, which the runtime doesn't see."""
    call = sent(to, load, call_id, output=output)
    load.start(call)
    to.first_token(call, 0)
    total = ttft + decode
    to.finished(call, CallFinished(call_id, 1, 0, output, ttft, total), total + ways)
    to.forget(call_id)
    load.remove(call, started=True)


def test_the_ways_to_the_runtime_and_back_count() -> None:
    """Seconds run from sending until the core knows the end, not only while the runtime has the call."""
    view, load = outlook()
    for call_id in range(1, 60):
        served(view, load, call_id, ttft=0.11, decode=0.18, ways=0.05)
    assert sent(view, load, 200).expected_seconds == pytest.approx(0.34, rel=1e-3)
    assert (view.describe()["service_seconds"]["p90"] or 0.0) < 0.001


def test_what_comes_on_top_is_no_more_for_a_long_prompt() -> None:
    """Short prompts of the stage took 50 ms more than modelled: so will a long one, not five times that."""
    view, load = outlook()
    for call_id in range(1, 60):
        served(view, load, call_id, ttft=0.16, decode=0.18, ways=0.0)
    call = make_call(200, spec=call_spec(200, prompt_tokens=500))
    call.likely_output_tokens = 1.0
    load.add(call)
    send(view, call)
    assert call.expected_seconds == pytest.approx(0.01 + 0.5 + 0.05, rel=1e-3)


def test_no_prompt_is_expected_before_it_is_sent() -> None:
    """Prompts that took far less than modelled leave a share of it, never less than nothing."""
    view, load = outlook()
    for call_id in range(1, 60):
        served(view, load, call_id, ttft=0.001, decode=0.0, ways=0.0, output=1)
    short = make_call(200, spec=call_spec(200, prompt_tokens=20))
    short.likely_output_tokens = 1.0
    load.add(short)
    send(view, short)
    assert short.expected_seconds == pytest.approx(0.3 * 0.03, rel=1e-3)


def test_it_learns_what_is_cached_beyond_whole_blocks() -> None:
    """The belief counts whole blocks; what is cached beyond them is learned, outliers don't count."""
    view, load = outlook()
    for call_id in range(1, 12):
        call = sent(view, load, call_id)
        view.first_token(call, 99 if call_id % 4 == 0 else 21)
    assert sent(view, load, 200).likely_cached_tokens == 21
    believed = make_call(300, spec=call_spec(300, prompt_tokens=100))
    believed.predicted_cached_tokens = 96
    load.add(believed)
    send(view, believed)
    assert believed.likely_cached_tokens == 99  # the last token is always computed
