"""SGLang's longest prefix match."""

from __future__ import annotations

from sched.views import PlacedCallView


class Lpm:
    """The call with the most cached prompt tokens runs first: SGLang's ``lpm`` (``schedule_policy.py``).

    Why: prefixes are used before they are evicted, so less is prefilled.  Inputs: those tokens, as believed
    when the call was placed; the key is their negative.  Trade-offs: deadlines and age don't count, and cold
    calls starve as long as warm ones keep coming.
    """

    name = "lpm"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return minus the tokens cached on its runtime."""
        return -float(call.predicted_cached_tokens)
