"""Which calls are joined, and above all which are not."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.api.agents.led_conversations import (
    FAN_OUT_SECONDS,
    MOST_FAN_OUT,
    LedConversations,
    Message,
)
from sched.clock import ManualClock


def said(*contents: str, system: str = "") -> list[dict[str, Any]]:
    """Return messages: a system's, if there is one, then a user's and an assistant's by turns."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]
    return [{"role": "system", "content": system}, *turns] if system else turns


class Index:
    """An index whose workflows stay open until they are in ``ended``."""

    def __init__(self, most: int = 100) -> None:
        self.clock = ManualClock()
        self.ended: set[str | None] = set()
        self.index = LedConversations(lambda name: name not in self.ended, self.clock, most)

    def ask(self, *contents: str, system: str = "", client: str = "c") -> str | None:
        return self.index.workflow_of(client, said(*contents, system=system))


def test_a_loop_is_one_workflow() -> None:
    """However long its steps take, as long as it is open."""
    index = Index()
    first = index.ask("q", system="be brief")
    index.clock.advance(1000.0)
    assert index.ask("q", "a", "now b", system="be brief, it is noon") == first
    assert index.ask("q", "a", "now b", "b", "now c") == first
    index.ended.add(first)
    index.clock.advance(FAN_OUT_SECONDS + 1.0)
    assert index.ask("q", "a", "now b", "b", "now c", "c", "now d") != first


def test_a_fan_out_is_one_workflow() -> None:
    """Candidates with instructions of their own, what revises each, and what selects."""
    index = Index()
    candidates = {index.ask("q", system=f"style {number}") for number in range(5)}
    assert len(candidates) == 1
    index.clock.advance(FAN_OUT_SECONDS + 30.0)
    revisions = {index.ask("q", f"a{number}", "it fails", system="revise") for number in range(5)}
    assert revisions == candidates
    assert {index.ask("q", "a3", "others were a1 and a2: choose")} == candidates


def test_the_same_question_later_is_another_workflow() -> None:
    """And so is the sixty-fifth at once."""
    index = Index()
    first = index.ask("q")
    index.clock.advance(FAN_OUT_SECONDS)
    assert index.ask("q") == first
    index.clock.advance(0.1)
    second = index.ask("q")
    assert second != first
    names = [index.ask("q") for _ in range(MOST_FAN_OUT)]
    assert names[:-1] == [second] * (MOST_FAN_OUT - 1)
    assert names[-1] not in (first, second)


def test_who_continues_what_several_wait_for_begins_anew() -> None:
    """Nobody can tell; once one of them has been continued, it can be told again."""
    index = Index()
    first = index.ask("q")
    index.clock.advance(FAN_OUT_SECONDS + 1.0)
    second = index.ask("q")
    assert index.ask("q", "a", "and?") not in (first, second)
    index.ended.add(first)
    index.clock.advance(FAN_OUT_SECONDS + 1.0)
    assert index.ask("q", "b", "and?") == second


def test_a_question_asked_again_continues_as_itself() -> None:
    """The first time was continued, so it waits for nothing."""
    index = Index()
    first = index.ask("q")
    assert index.ask("q", "a", "and?") == first
    index.clock.advance(FAN_OUT_SECONDS + 1.0)
    second = index.ask("q")
    assert index.ask("q", "a", "but?") == second != first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("q", system="long instructions"), said("r", system="long instructions")),
        (said("example", "its answer", "q"), said("example", "its answer", "r")),
        ([said("q")[0] | {"name": "ann"}], [said("q")[0] | {"name": "bob"}]),
        (said("q"), [*said("q"), *said("more")]),
    ],
    ids=["system", "examples", "names", "no answer between"],
)
def test_what_joins_no_calls(one: list[Message], other: list[Message]) -> None:
    """A shared beginning that says nothing of the question."""
    for first, second in ((one, other), (other, one)):
        index = LedConversations(lambda _: True, ManualClock())
        assert index.workflow_of("c", first) != index.workflow_of("c", second)


def test_clients_are_not_mixed() -> None:
    """Neither beside each other nor one continuing another's."""
    index = Index()
    first = index.ask("q", client="a")
    assert index.ask("q", client="b") != first
    assert index.ask("q", "x", "y", client="d") != first


def test_without_a_users_message_nothing_is_known() -> None:
    """Instructions alone."""
    assert Index().index.workflow_of("c", [{"role": "system", "content": "s"}]) is None


def test_half_a_surrogate_pair_is_text_like_any_other() -> None:
    """JSON can hold one."""
    assert Index().ask("\ud800") is not None


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_a_fan_out_does_not_matter(order: tuple[int, ...]) -> None:
    """Its calls are joined, whichever comes first; the other question is not."""
    index = Index()
    calls = [("q", "s1"), ("q", "s2"), ("r", "s1"), ("r", "s2")]
    names = {}
    for place in order:
        question, system = calls[place]
        names[place] = index.ask(question, system=system)
    assert names[0] == names[1] != names[2] == names[3]


TURNS = st.lists(st.sampled_from("xyz"), min_size=1, max_size=5)
CALLS = st.lists(
    st.tuples(st.sampled_from("ab"), TURNS, st.sampled_from(["", "s", "t"]), st.floats(0, 20)), max_size=30
)


@given(calls=CALLS, most=st.integers(1, 5))
def test_calls_with_different_first_messages_or_clients_are_never_joined(calls: Any, most: int) -> None:
    """Whatever else they share, in whatever order they come; and the index stays small."""
    index = Index(most)
    firsts: dict[str, set[tuple[str, str]]] = {}
    for client, turns, system, seconds in calls:
        index.clock.advance(seconds)
        name = index.ask(*turns, client=client, system=system)
        assert name is not None
        firsts.setdefault(name, set()).add((client, turns[0]))
    assert all(len(found) == 1 for found in firsts.values())
    assert len(index.index) <= 8 * most


@given(turns=st.lists(st.text(max_size=5), min_size=5, max_size=11), client=st.text(max_size=3))
def test_a_conversation_that_grows_stays_one(turns: list[str], client: str) -> None:
    """Whatever is said, step by step, with instructions that change."""
    index = Index()
    lengths = range(1, len(turns) + 1, 2)
    names = {index.ask(*turns[:length], system=f"at {length}", client=client) for length in lengths}
    assert len(names) == 1
