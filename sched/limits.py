"""How much the core accepts and waits for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PrewarmLimits:
    """Bounds of prewarming; the default is off.

    ``share``: of a runtime's time, at most (0: none).  ``least_tokens``, ``max_tokens``: of a prefix.
    ``beside``: calls that may be at work on the runtime.  ``replicas``: runtimes that are to hold a prefix.
    One prefix at a time per runtime.
    """

    share: float = 0.0
    least_tokens: int = 512
    max_tokens: int = 16_384
    beside: int = 0
    replicas: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the core.

    ``window_tokens``: uncached prompt tokens in flight to a runtime before its first tokens come back.
    ``max_waiting_calls``: with that number not yet sent, a new call is refused.  ``max_attempts``: times
    a call is sent.  ``workflow_ttl_seconds``: after so much silence a workflow without open calls ends.
    """

    window_tokens: int = 4096
    max_waiting_calls: int = 10_000
    max_attempts: int = 3
    workflow_ttl_seconds: float = 600.0
    prewarm: PrewarmLimits = field(default_factory=PrewarmLimits)
