"""What became of everything that was asked while a fault was there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from launch.bench.chaos.chaos_clients import CALL, ClientRequest

Show = Callable[[str], dict[str, Any] | None]
"""Returns a workflow as the server shows it; ``None`` if it doesn't."""
Accepted = Callable[[str], bool]
"""Returns whether the server's journal knows a workflow: it does before the workflow begins."""
_REFUSED = frozenset({"no connection", "unavailable", "overloaded"})
"""Before the server had taken it on."""
_ENDED = frozenset({"finished", "failed", "cancelled", "rejected"})


@dataclass(slots=True)
class ChaosVerdict:
    """Of ``asked`` calls and questions: ``lost`` were accepted and not answered, without a reason that the
    fault excuses; ``again`` needed more than one attempt; ``errors`` are what clients saw, by code."""

    asked: int = 0
    again: int = 0
    lost: list[str] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


def judged(
    asked: Iterable[ClientRequest], excuses: Collection[str], show: Show, accepted: Accepted
) -> ChaosVerdict:
    """Return the verdict on what has been ``asked``."""
    verdict = ChaosVerdict()
    for one in asked:
        verdict.asked += 1
        verdict.again += one.attempts > 1
        if one.answered:
            continue
        status = f"{one.status} " if one.status not in (None, 200) else ""
        error = f"{status}{one.code or 'no answer'}"
        verdict.errors[error] = verdict.errors.get(error, 0) + 1
        if reason := _lost(one, excuses, show, accepted):
            verdict.lost.append(f"{one.kind} {one.workflow_id}: {reason}")
    return verdict


def _lost(one: ClientRequest, excuses: Collection[str], show: Show, accepted: Accepted) -> str:
    """Return why what wasn't answered counts as lost; empty if it doesn't."""
    if one.ended is None or one.code == "no answer":
        return "no answer"
    if one.workflow_id is None:
        # A question that the server never took on.
        return "" if one.code in _REFUSED or one.code in excuses else f"{one.code} {one.message}"
    shown = show(one.workflow_id)
    if shown is None:
        # A question has said that it was taken on, and so has the journal of a call.
        refused = one.kind == CALL and (one.code in _REFUSED or one.code in excuses)
        excused = refused and not accepted(one.workflow_id)
        return "" if excused else f"{one.code} {one.message}; it is not known any more"
    if shown["state"] not in _ENDED:
        return f"{one.code}; it is still {shown['state']}"
    if shown["state"] == "finished":
        return "" if one.code in excuses else f"{one.code}, though it finished"
    failed = (shown.get("error") or {}).get("code", shown["state"])
    return "" if failed in excuses else f"{failed} {one.message}"
