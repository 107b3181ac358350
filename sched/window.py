"""The sending window of a runtime: which held call is sent next, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Callable

from sched.held import HeldCalls
from sched.request import Call, State
from sched.views import RuntimeView


class SendingWindow:
    """The calls held for a runtime, and a count of those that were sent.

    ``tokens`` bounds the uncached prompt tokens that are sent but not yet answered by a first token: enough
    that the runtime never idles, while the rest is held, where it can still be re-ordered, re-placed or
    cancelled for free.  ``sent_tokens``: those tokens now; ``sent_calls``: calls sent and not ended.
    """

    def __init__(self, held: HeldCalls, tokens: int) -> None:
        self.tokens = tokens
        self.sent_tokens = 0
        self.sent_calls = 0
        self.held = held

    def take(
        self,
        ends: Callable[[Call], bool],
        waits: Callable[[Call], bool],
        predict: Callable[[Call], None],
        runtime: RuntimeView,
    ) -> Call | None:
        """Count the next held call as sent and return it; ``None`` without one or without room for it.

        One that ``ends`` (the callable has ended it) is no longer held.
        One that ``waits`` is passed over until a call here has its first token or ends.  The others are
        predicted anew (``predict``), as the room needed depends on what is cached now.  A call larger than
        the whole window goes when nothing else is being prefilled; nothing overtakes one without room.
        """
        while self.sent_tokens < self.tokens and (call := self.held.first()) is not None:
            if ends(call):
                continue
            if waits(call):
                self.held.set_aside()
                continue
            predict(call)
            if self.sent_tokens and self.sent_tokens + call.uncached_tokens > self.tokens:
                return None
            self.held.take()
            self.held.sent(call, runtime, queue_empty=not self.sent_tokens)
            call.alone = self.sent_calls == 0
            self.sent_calls += 1
            self.sent_tokens += call.uncached_tokens
            return call
        return None

    def first_token(self, call: Call) -> None:
        """Make the room again that the call's prefill took."""
        self.sent_tokens -= call.uncached_tokens
        self.held.look_again()

    def released(self, call: Call) -> None:
        """Forget a call that leaves the runtime, by the state that it has until then."""
        self.held.released(call)
        if call.state is not State.WAITING:
            self.sent_calls -= 1
        if call.state is State.DISPATCHED:
            self.sent_tokens -= call.uncached_tokens
        self.held.look_again()
