"""SGLang's longest prefix match."""

from __future__ import annotations

from sched.policy import PlacedCallView


class Lpm:
    """The call with the most cached prompt tokens runs first: SGLang's ``lpm`` (``schedule_policy.py``).

    Key: minus those tokens, as believed when the call was placed.  Prefixes are used before they are evicted,
    so the cache brings more; cold calls starve as long as warm ones keep coming.
    """

    name = "lpm"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return minus the tokens cached on its runtime."""
        return -float(call.predicted_cached_tokens)
