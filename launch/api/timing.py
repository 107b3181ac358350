"""Where the time of an answer's call went, told in its ``Server-Timing`` header (milliseconds).

``tokenise``: from text to token ids, waiting for the thread included.  ``dispatch``: the controller's own
work from the request's arrival until it was handed to the link.  ``held``: the wait for room on a runtime.
``runtime``: until the runtime's last message arrived.  ``answer``: the controller's own work until the
answer was ready to be sent.  Together they are the time from the parsed head of the request to its answer.
Answers of other routes, errors and streams have ``total``, the time until they begin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Scope

from engine.controller.calls import CallResult
from sched.clock import monotonic

HEADER = "server-timing"
_INGRESS = "sluice.ingress"


@dataclass(frozen=True, slots=True)
class Timing:
    """The parts of one call's time, in seconds; see the module."""

    tokenise: float
    dispatch: float
    held: float
    runtime: float
    answer: float

    def header(self) -> str:
        """Return the value of the header."""
        return (
            f"tokenise;dur={self.tokenise * 1e3:.3f}, dispatch;dur={self.dispatch * 1e3:.3f}, "
            f"held;dur={self.held * 1e3:.3f}, runtime;dur={self.runtime * 1e3:.3f}, "
            f"answer;dur={self.answer * 1e3:.3f}"
        )


def stamp_ingress(scope: Scope) -> None:
    """Note in ``scope`` when its request arrived."""
    scope[_INGRESS] = monotonic()


def total_header(scope: Scope) -> str:
    """Return the value of the header for an answer that begins now and has no parts to tell.

    Of a stream it is the time until its first part.
    """
    return f"total;dur={(monotonic() - scope[_INGRESS]) * 1e3:.3f}"


def tell_timing(
    response: Response,
    scope: Scope,
    tokenise_seconds: float,
    results: Sequence[CallResult],
    answered: Callable[[Timing], None],
) -> None:
    """Give the answer of calls, which is about to be sent, its header; ``answered`` is told, too."""
    spent = timing(scope, tokenise_seconds, results)
    answered(spent)
    response.headers[HEADER] = spent.header()


def timing(scope: Scope, tokenise_seconds: float, results: Sequence[CallResult]) -> Timing:
    """Return the parts of the time of an answer that is about to be sent, and whose request was stamped.

    Of several calls, which ran side by side, the one that was answered last counts: the answer waited for it.
    """
    last = max(results, key=lambda result: result.answered_clock)
    held = last.entry.waited_seconds or 0.0
    return Timing(
        tokenise=tokenise_seconds,
        dispatch=last.sent_clock - scope[_INGRESS] - tokenise_seconds - held,
        held=held,
        runtime=last.answered_clock - last.sent_clock,
        answer=monotonic() - last.answered_clock,
    )
