"""What is placed on a runtime, as running sums: every event costs the same however many calls there are."""

from __future__ import annotations

from sched.request import Call


class PlacedLoad:
    """The calls placed on a runtime and not ended; implements ``sched.views.LoadView``.

    A call is added when placed, started at its first token, and removed.
    """

    __slots__ = ("backlog", "private", "running", "running_context", "waiting", "waiting_context")

    def __init__(self) -> None:
        self.running = self.waiting = self.backlog = 0
        self.running_context = self.waiting_context = self.private = 0.0

    def add(self, call: Call) -> None:
        """Count a placed call."""
        self.waiting += 1
        self.waiting_context += context_tokens(call)
        self.backlog += call.uncached_tokens
        self.private += call.uncached_tokens + call.expected_output_tokens

    def predicted(self, call: Call, uncached_before: int) -> None:
        """Note that a waiting call's uncached tokens were predicted anew."""
        change = call.uncached_tokens - uncached_before
        self.backlog += change
        self.private += change

    def start(self, call: Call) -> None:
        """Note a call's first token."""
        self.waiting -= 1
        self.running += 1
        self.waiting_context -= context_tokens(call)
        self.running_context += context_tokens(call)
        self.backlog -= call.uncached_tokens

    def remove(self, call: Call, *, started: bool) -> None:
        """Forget a call; ``started``: it had its first token."""
        if started:
            self.running -= 1
            self.running_context -= context_tokens(call)
        else:
            self.waiting -= 1
            self.waiting_context -= context_tokens(call)
            self.backlog -= call.uncached_tokens
        self.private -= call.uncached_tokens + call.expected_output_tokens
        if not self.running + self.waiting:
            # Sums of floats drift; an idle runtime is exactly idle.
            self.running_context = self.waiting_context = self.private = 0.0


def context_tokens(call: Call) -> float:
    """Return the tokens that a call reads per decode step, halfway through its output."""
    return call.prompt_tokens + call.expected_output_tokens / 2
