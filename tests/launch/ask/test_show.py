"""What a terminal shows of an answer."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.console import Console

from launch.api.replies import sse
from launch.ask.show import show_answer
from launch.client.sluice_client import SluiceClient

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
    "workflow_id": "w",
    "database": "shop",
    "timeline": [CALL],
    "seconds": 1.0,
    "slo_seconds": 60.0,
    "deadline_met": True,
}
Shown = Callable[..., str]


@pytest.fixture
def shown() -> Shown:
    def shown(*steps: dict[str, Any], **answer: Any) -> str:
        events = [sse(step, "step") for step in steps] + [sse(ANSWER | answer, "result")]
        answering = httpx.MockTransport(lambda _: httpx.Response(200, content=b"".join(events)))
        screen = StringIO()
        with SluiceClient("http://server", transport=answering) as client:
            show_answer(Console(file=screen, width=200), client, "How many?", "shop", bool(steps))
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


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("not_run", None, "The SQL was checked and not run."),
        (
            "not_understood",
            "no word of it is known",
            "The question was not understood: no word of it is known.",
        ),
        ("of_a_kind_of_ones_own", None, "SELECT 1"),
    ],
)
def test_each_status_is_told(shown: Shown, status: str, reason: str | None, said: str) -> None:
    """One that this program doesn't know is left alone."""
    assert said in shown(status=status, reason=reason)


def test_the_way_to_go_on_is_shown_unless_the_model_reads_nothing_earlier(shown: Shown) -> None:
    """The note says why not."""
    assert "--conversation c-1" in shown(conversation_id="c-1")
    text = shown(conversation_id="c-1", conversation_note="this server's model reads no earlier questions")
    assert "--conversation c-1" not in text
    assert "Conversation: this server's model reads no earlier questions." in text
