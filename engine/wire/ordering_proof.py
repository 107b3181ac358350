"""The proof that a runtime queues as ``sched/order.py`` says: what is queued, and how it must come out.

The runtime makes the proof when it starts, its worker sends it with ``Hello``, the controller checks it.
"""

from __future__ import annotations

from collections.abc import Mapping

PROOF_QUEUE: Mapping[str, tuple[float, int, int] | None] = {
    "proof-late": (9.0, 1, 0),
    "proof-tie-second": (5.0, 4, 0),
    "proof-tie-first": (5.0, 3, 0),
    "proof-early": (-1.0, 7, 0),
    "proof-prior": (8.0, 9, 2),
    "proof-unkeyed": None,
}
"""The synthetic requests that prove a runtime's order, as they are queued: key, sequence and priority."""

PROOF_ORDER = (
    "proof-unkeyed",
    "proof-prior",
    "proof-early",
    "proof-tie-first",
    "proof-tie-second",
    "proof-late",
)
"""How the proof must come out; a request without a key (a health check) goes first."""
