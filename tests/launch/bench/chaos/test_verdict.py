"""What counts as lost, and what as an error that a client saw."""

from __future__ import annotations

from typing import Any

import pytest

from launch.bench.chaos.chaos_clients import CALL, QUESTION, ClientRequest
from launch.bench.chaos.fault import CONTROLLER_LOST
from launch.bench.chaos.verdict import judged


def asked(kind: str = CALL, status: int | None = 200, code: str = "", **fields: Any) -> ClientRequest:
    """Return something asked that has ended."""
    return ClientRequest(kind, 0.0, workflow_id="w", ended=1.0, status=status, code=code, **fields)


def failed(code: str) -> dict[str, Any]:
    return {"state": "failed", "error": {"code": code}}


def never(workflow_id: str) -> bool:
    """Stand for a journal that knows nothing."""
    return False


def test_what_was_answered_is_not_lost() -> None:
    """Runs again are counted."""
    verdict = judged([asked(), asked(QUESTION, attempts=2)], (), lambda _: None, never)
    assert (verdict.asked, verdict.again, verdict.lost, verdict.errors) == (2, 1, [], {})


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (asked(status=None, code="no connection"), None),
        (asked(status=503, code="unavailable"), None),
        (ClientRequest(QUESTION, 0.0, ended=1.0, status=503, code="unavailable"), None),
        (asked(status=None, code="cut off"), None),
        (asked(status=None, code="cut off"), failed("controller_lost")),
        (asked(QUESTION, status=None, code="cut off"), failed("controller_lost")),
        (asked(status=None, code="cut off"), {"state": "finished"}),
    ],
)
def test_refusals_and_the_clear_word_of_a_lost_controller_are_errors_not_losses(
    one: ClientRequest, shown: dict[str, Any] | None
) -> None:
    """They are told by status and code."""
    verdict = judged([one], CONTROLLER_LOST, lambda _: shown, never)
    assert verdict.lost == []
    assert verdict.errors == {f"{one.status or ''} {one.code}".strip(): 1}


@pytest.mark.parametrize(
    ("one", "shown", "reason"),
    [
        (ClientRequest(CALL, 0.0, workflow_id="w"), None, "no answer"),
        (asked(status=None, code="no answer"), {"state": "running"}, "no answer"),
        (asked(status=None, code="cut off"), {"state": "running"}, "cut off; it is still running"),
        (asked(status=502, code="runtime_failure"), failed("runtime_failure"), "runtime_failure"),
        (asked(QUESTION, code="runtime_failure"), failed("runtime_failure"), "runtime_failure"),
        (asked(QUESTION, status=None, code="cut off"), None, "not known any more"),
        (asked(status=500, code="internal_error"), None, "not known any more"),
    ],
)
def test_what_was_accepted_and_has_no_answer_is_lost(
    one: ClientRequest, shown: dict[str, Any] | None, reason: str
) -> None:
    """Whatever the client saw; a dead controller excuses only what it says it lost."""
    (lost,) = judged([one], CONTROLLER_LOST, lambda _: shown, never).lost
    assert reason in lost


def test_nothing_excuses_a_cut_connection_where_the_controller_lives() -> None:
    """The same answers are losses then."""
    one = asked(status=None, code="cut off")
    assert judged([one], (), lambda _: None, never).lost
    assert judged([one], (), lambda _: failed("controller_lost"), never).lost
    assert judged([one], (), lambda _: {"state": "finished"}, never).lost


@pytest.mark.parametrize("code", ["cut off", "no connection", "unavailable"])
def test_a_call_that_the_journal_knows_is_lost_without_an_answer(code: str) -> None:
    """Its client can't tell whether it was taken on."""
    one = asked(status=None, code=code)
    assert judged([one], {"cut off"}, lambda _: None, lambda name: name == "w").lost
    assert not judged([one], {"cut off"}, lambda _: None, never).lost
