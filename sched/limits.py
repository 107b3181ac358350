"""How much the core accepts and waits for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreLimits:
    """Bounds of the core.

    ``window_tokens``: uncached prompt tokens in flight to a runtime before its first tokens come back.
    ``max_waiting_calls``: with that number not yet sent, a new call is refused.  ``max_open_workflows``: with
    that number open, a new one is refused.  ``max_attempts``: times
    a call is sent.  ``workflow_ttl_seconds``: after so much silence a workflow without open calls ends.
    """

    window_tokens: int = 4096
    max_waiting_calls: int = 10_000
    max_open_workflows: int = 100_000
    max_attempts: int = 3
    workflow_ttl_seconds: float = 600.0
