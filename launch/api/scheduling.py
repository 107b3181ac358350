"""What an answer tells of the scheduler's work on a call."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.controller.calls import CallRequest
from engine.controller.timeline import CallEntry


def scheduling(call: CallRequest, entry: CallEntry) -> dict[str, Any]:
    """Return the fields of ``answers.Scheduling`` for a finished call."""
    return {
        "workflow_id": call.place.workflow_id,
        "stage": entry.stage,
        "runtime": entry.runtime,
        "attempts": entry.attempts,
        "waited_seconds": entry.waited_seconds,
        "ttft_seconds": entry.ttft_seconds,
        "decision": None if entry.decision is None else asdict(entry.decision),
    }
