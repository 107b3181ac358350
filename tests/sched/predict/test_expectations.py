"""What the core keeps of runtimes and earlier workflows: sums that come out even, forecasts within bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched.cache.popularity import WORKFLOWS, Popularity
from sched.cache.prefix import BLOCK_TOKENS
from sched.gate import Gate
from sched.load import PlacedLoad, context_tokens
from sched.policy import Admission
from sched.predict.forecast import Rates
from sched.predict.history import PACE_WORKFLOWS, Paces, Paths, PathStep
from sched.predict.watch import STALL_SECONDS, Stalls
from sched.request import Call
from sched.views import WorkflowView
from tests.factories import call_spec, chain, make_call

_seconds = st.floats(0.01, 1000)


def call(number: int, prompt: int, output: int) -> Call:
    """Return a call with ``prompt`` and ``output`` tokens."""
    made = make_call(number, spec=call_spec(number, prompt_tokens=prompt), expected_output_tokens=output)
    made.predicted_cached_tokens = prompt // 3
    return made


@given(
    calls=st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 900)), max_size=8),
    steps=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["add", "start", "remove", "predict"]))),
)
def test_a_load_is_the_sum_over_its_calls(calls: list[tuple[int, int]], steps: list[tuple[int, str]]) -> None:
    """After any events the running sums are those of the calls that are there; without calls they are 0."""
    load, made = PlacedLoad(), [call(i, *tokens) for i, tokens in enumerate(calls)]
    waiting, running = dict[int, Call](), dict[int, Call]()
    for index, step in steps:
        if index >= len(made):
            continue
        if step == "add" and index not in waiting | running:
            load.add(made[index])
            waiting[index] = made[index]
        elif step == "start" and index in waiting:
            load.start(made[index])
            running[index] = waiting.pop(index)
        elif step == "remove" and index in waiting | running:
            load.remove(made[index], started=index in running)
            waiting.pop(index, None)
            running.pop(index, None)
        elif step == "predict" and index in waiting:
            before = made[index].uncached_tokens
            made[index].predicted_cached_tokens //= 2
            load.predicted(made[index], before)
    both = [*waiting.values(), *running.values()]
    assert (load.waiting, load.running) == (len(waiting), len(running))
    assert load.backlog == sum(c.uncached_tokens for c in waiting.values())
    assert load.waiting_context == pytest.approx(sum(map(context_tokens, waiting.values())))
    assert load.running_context == pytest.approx(sum(map(context_tokens, running.values())))
    assert load.private == pytest.approx(sum(c.uncached_tokens + c.expected_output_tokens for c in both))


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), max_size=20), st.floats(0, 100))
def test_the_share_of_stalls_is_a_share_that_fades(prefills: list[tuple[float, float]], later: float) -> None:
    """It is between 0 and 1 and falls while nothing is prefilled; the sum only grows."""
    stalls, now = Stalls(), 0.0
    for gap, seconds in prefills:
        now += gap
        before = stalls.total
        stalls.add(seconds, now)
        assert stalls.total == before + seconds
        assert 0 <= stalls.share(now + later) <= stalls.share(now) <= 1
    if prefills:
        assert stalls.share(now + 100 * STALL_SECONDS) < 1e-9


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 1200)), max_size=30))
def test_popular_is_what_enough_workflows_began_with(prompts: list[tuple[int, int, int]]) -> None:
    """Never more than the prompt, nothing before enough workflows had it, and none counts twice in a row."""
    popularity, users = Popularity(), dict[int, set[int]]()
    for workflow, family, tokens in prompts:
        blocks = chain(family, tokens)
        popular = popularity.observe(f"w{workflow}", blocks)
        users.setdefault(family, set()).add(workflow)
        assert 0 <= popular <= len(blocks) * BLOCK_TOKENS
        again = popularity.observe(f"w{workflow}", blocks)
        assert again == popular
    assert Popularity().observe("w", chain(0, 1200)) == 0
    shared = Popularity()
    found = [shared.observe(f"w{i}", chain(1, 1024)) for i in range(WORKFLOWS + 1)]
    assert found == [0] * (WORKFLOWS - 1) + [1024] * 2


def test_forgotten_prefixes_are_popular_no_more() -> None:
    """The memory is bounded: what nobody used for longest goes first."""
    small = Popularity(most_prefixes=4)
    for i in range(WORKFLOWS):
        small.observe(f"w{i}", chain(1, 1024))
    small.observe("other", chain(2, 1024))
    assert small.observe("w9", chain(1, 1024)) == 0


@given(st.lists(st.tuples(_seconds, _seconds), min_size=5, max_size=100))
def test_a_pace_is_one_of_the_latest_workflows(ended: list[tuple[float, float]]) -> None:
    """At least four fifths of them, about, were not slower."""
    paces = Paces()
    for seconds, slo in ended:
        paces.observe("k", seconds, slo)
    pace = paces.pace("k")
    assert pace is not None
    latest = [seconds for seconds, _ in ended[-PACE_WORKFLOWS:]]
    assert pace.seconds in latest
    assert sum(s <= pace.seconds for s in latest) >= math.floor(0.8 * (len(latest) - 1)) + 1
    assert paces.pace("another") is None


@given(st.lists(st.lists(_seconds, min_size=1, max_size=6), min_size=3, max_size=10))
def test_what_follows_a_visit_lies_within_what_was_seen(runs: list[list[float]]) -> None:
    """The rest after a stage is between the least and the most of earlier workflows; the whole likewise."""
    paths = Paths()
    for run in runs:
        paths.observe("k", "d", [PathStep("s", i + 1, seconds) for i, seconds in enumerate(run)])
    after_first = [sum(run[1:]) for run in runs]
    rest, whole = paths.rest("k", "d", "s", 1), paths.whole("k", "unknown")
    assert rest is not None
    assert whole is not None
    assert min(after_first) - 1e-6 <= rest <= max(after_first) + 1e-6
    assert min(map(sum, runs)) - 1e-6 <= whole <= max(map(sum, runs)) + 1e-6
    assert paths.rest("k", "d", "never", 1) is None


def test_rates_without_runtimes_are_nothing() -> None:
    """A forecast with no runtime up expects no time instead of failing."""
    assert Rates([], alone=True).seconds(1000, 100) == 0.0


class _Fussy:
    """Advises what it is told to, and fails for workflows of kind ``bad``."""

    name = "fussy"
    ends_late = False

    def __init__(self, advised: int) -> None:
        self._advised = advised

    def admit(self, workflow: WorkflowView, runtimes: object, now: float) -> Admission:
        """Fail."""
        raise RuntimeError("no idea")

    def candidates(self, workflow: WorkflowView, wanted: int, runtimes: object, now: float) -> int:
        """Return what it was told to."""
        return self._advised


@given(advised=st.integers(-5, 20), wanted=st.integers(1, 8))
def test_the_gate_keeps_advice_within_bounds(advised: int, wanted: int) -> None:
    """Whatever a policy says, 1 to ``wanted``; its fault costs the workflow it was asked about."""
    gate, workflow = Gate(_Fussy(advised), ()), make_call().workflow
    assert gate.candidates(workflow, wanted, [], 0.0) == max(1, min(wanted, advised))
    assert gate.candidates(None, wanted, [], 0.0) == wanted
    failure = gate.refusal(workflow, [], 0.0, 1)
    assert failure is not None
    assert failure.code == "internal_error"
    assert Gate(None, ()).refusal(workflow, [], 0.0, 1) is None
