"""Whether prompts show a whole schema or the linked tables alone, decided from one question to the next."""

from __future__ import annotations

import math
from collections.abc import Hashable

from sched.workflow import PromptSeconds


class RentOrBuy:
    """Chooses per key (a stage's template) between a long prompt, shared by all, and a short one of its own.

    The long one is cheap once it is cached, and dear until then.  No single question would ever pay for it:
    this is the ski rental problem.  Each short prompt is a *rent*: what it costs beyond the long one if that
    were cached.  Once the rents add up to the *price*, what prefilling the long one costs now beyond that,
    the long one is taken (Karlin, Manasse, Rudolph and Sleator, "Competitive snoopy caching", Algorithmica
    1988: never more than twice what is best in hindsight).  As long as it is believed to be cached it goes
    on being taken.

    Rents count only while a purchase would last.  If what the last question was shown is no longer cached
    when the next one comes, the long prompt would be gone, too: the rents begin anew.

    Costs are those of ``sched.workflow.PromptSeconds``.  A long prompt that is dearer than a short one even
    when it is cached, since long answers read much KV, is never taken.
    """

    def __init__(self) -> None:
        self._rents: dict[Hashable, float] = {}

    def takes_whole(
        self, key: Hashable, whole: PromptSeconds, linked: PromptSeconds, last: PromptSeconds | None
    ) -> bool:
        """Return whether to take the long prompt ``whole``, and note what ``linked`` is rented for if not.

        ``last``: the beginning of what was shown the last time under this ``key``.
        """
        if last is not None and last.now > last.warm:
            self._rents.pop(key, None)
        if not math.isfinite(whole.now) or whole.warm > linked.now:
            return False
        if whole.now > linked.now:
            rent = self._rents.get(key, 0.0) + linked.now - whole.warm
            if rent < whole.now - whole.warm:
                self._rents[key] = rent
                return False
        self._rents.pop(key, None)
        return True
