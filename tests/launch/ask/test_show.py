"""What a terminal shows of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from launch.ask import show
from launch.ask.client import ServerEvent
from launch.ask.show import show_answer

CALL: dict[str, Any] = {
    "kind": "call",
    "index": 0,
    "stage": "schema_linking",
    "branch": None,
    "state": "finished",
    "runtime": "r0",
    "ready_at": 0.0,
    "total_seconds": 0.5,
    "ttft_seconds": 0.25,
    "prompt_tokens": 9,
    "cached_tokens": 0,
    "output_tokens": 3,
    "error": None,
    "unreadable": False,
}
ANSWER: dict[str, Any] = {
    "status": "ok",
    "sql": "SELECT 1",
    "columns": ["n"],
    "rows": [[1]],
    "sql_error": None,
    "reason": None,
    "retrieval": {"notes": []},
    "timeline": [CALL],
    "seconds": 1.0,
    "slo_seconds": 60.0,
    "deadline_met": True,
}
Shown = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    def shown(*steps: dict[str, Any], **answer: Any) -> str:
        def events(*_args: Any, **_options: Any) -> Iterator[ServerEvent]:
            yield from (ServerEvent("step", step) for step in steps)
            yield ServerEvent("result", ANSWER | answer)

        monkeypatch.setattr(show, "ask", events)
        screen = StringIO()
        show_answer(Console(file=screen, width=200), "http://server", "How many?", "shop", bool(steps))
        return screen.getvalue()

    return shown


def test_an_empty_result_is_shown_with_its_reason(shown: Shown) -> None:
    """The reader learns why it stands."""
    reason = "2 of 3 candidates ran and found no row; rows came only without city = 'Rome'"
    text = shown(status="empty", rows=[], reason=reason)
    assert f"The SQL ran and found no rows: {reason}." in text


def test_notes_of_the_retrieval_are_shown_as_such(shown: Shown) -> None:
    """They would be taken for the database's words otherwise."""
    note = "more than 200 values of customers.name begin like keywords"
    assert f"Retrieval: {note}" in shown(retrieval={"notes": [note]})


def test_a_workflow_without_retrieval_or_reason_is_shown(shown: Shown) -> None:
    """Kinds of one's own may leave both out."""
    assert "SELECT 1" in shown(retrieval={}, reason=None)


@pytest.mark.parametrize("steps", [[CALL | {"unreadable": True}], [CALL, CALL | {"unreadable": True}]])
def test_the_timeline_says_which_answer_was_unreadable(shown: Shown, steps: list[dict[str, Any]]) -> None:
    """Whether that is known with the call's end or comes after it; the end is shown once."""
    text = shown(*steps)
    assert text.count("done on r0") == 1
    assert text.count("unreadable: the workflow could make nothing of the answer") == 1


def test_a_readable_answer_is_not_remarked_on(shown: Shown) -> None:
    """Also if its step is sent twice."""
    text = shown(CALL, CALL | {"output": "[]"})
    assert text.count("schema_linking") == 1
    assert "unreadable" not in text
