"""Least attained service."""

from __future__ import annotations

from sched.views import PlacedCallView


class Las:
    """The call whose workflow was served least so far runs first (Autellix's PLAS, arXiv 2502.13965).

    Why: it favours short workflows without a prediction of their lengths.  Inputs: the seconds that the
    workflow's finished calls took on their runtimes, which are the key.

    Trade-offs: workflows that are nearly done wait for all newcomers, so tails grow, and under lasting
    overload they starve.
    """

    name = "las"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the seconds served so far."""
        return call.workflow.served_seconds
