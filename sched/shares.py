"""What each tenant was served, and whose turn it is: the state behind a sharing policy.

Virtual token counter (Sheng et al., OSDI 2024, arXiv 2401.00588) over what the policy calls cost.  A tenant's
*virtual* time grows by cost / weight when a call is sent, by the prediction, and is put right when it ends.
The smallest goes next.  One that comes back from having no call waiting is lifted to the smallest of those
that wait, so that what it left idle is lent and not saved up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sched.policy import SharingPolicy
from sched.request import Call
from sched.tenants import Tenant
from sched.views import RuntimeView

MOST_TENANTS = 64
"""Tenants with a share of their own; beyond, those that come share the one of ``OTHER``."""
OTHER = "other"


@dataclass(slots=True, eq=False)
class Share:
    """A tenant's ``virtual`` time, its calls on runtimes or held for them (``open``), and those ``held``."""

    tenant: str
    weight: float
    virtual: float = 0.0
    open: int = 0
    held: int = 0


class Shares:
    """Written by the queues of all runtimes; kept are as many shares and calls as are open, and 64.

    A call that is cancelled or lost after it was sent stays charged with what was predicted.
    """

    def __init__(self, policy: SharingPolicy, tenants: Iterable[Tenant] = ()) -> None:
        """Tenants that aren't named weigh 1.

        Raises:
            ValueError: a weight isn't above 0.
        """
        self.policy = policy
        self._weights = {tenant.name: tenant.weight for tenant in tenants}
        for name, weight in self._weights.items():
            if not weight > 0:
                raise ValueError(f"the weight of tenant {name!r} must be above 0, not {weight}")
        self._shares: dict[str, Share] = {}
        self._calls: dict[int, Share] = {}
        self._charged: dict[int, float] = {}
        self._last = 0.0

    def of(self, call: Call) -> Share:
        """Return the share of an open call's tenant."""
        return self._calls[call.spec.call_id]

    def entered(self, call: Call) -> None:
        """Note that a call is held for a runtime."""
        share = self._share(call.workflow.spec.tenant)
        if not share.held:
            least = min((s.virtual for s in self._shares.values() if s.held), default=self._last)
            share.virtual = max(share.virtual, least)
        share.held += 1
        share.open += 1
        self._calls[call.spec.call_id] = share

    def sent(self, call: Call, runtime: RuntimeView) -> None:
        """Charge a held call's tenant with what it is predicted to cost on ``runtime``."""
        share = self.of(call)
        self._wait_over(share)
        cost = self.policy.cost(
            runtime, call.prompt_tokens, call.uncached_tokens, call.expected_output_tokens
        )
        self._charged[call.spec.call_id] = cost
        share.virtual += cost / share.weight

    def finished(self, call: Call, runtime: RuntimeView, cached_tokens: int, output_tokens: int) -> None:
        """Charge what a call was instead of what was predicted; before it is :meth:`released`."""
        prompt = call.prompt_tokens
        cost = self.policy.cost(runtime, prompt, prompt - cached_tokens, output_tokens)
        share = self.of(call)
        share.virtual += (cost - self._charged[call.spec.call_id]) / share.weight

    def released(self, call: Call) -> None:
        """Forget a call that leaves its runtime, sent or not."""
        share = self._calls.pop(call.spec.call_id)
        share.open -= 1
        if self._charged.pop(call.spec.call_id, None) is None:
            self._wait_over(share)

    def _wait_over(self, share: Share) -> None:
        share.held -= 1
        self._last = share.virtual

    def _share(self, tenant: str) -> Share:
        share = self._shares.get(tenant)
        if share is not None:
            return share
        if len(self._shares) >= MOST_TENANTS and tenant != OTHER:
            idle = [s for s in self._shares.values() if not s.open]
            if not idle:
                return self._share(OTHER)
            del self._shares[min(idle, key=lambda s: s.virtual).tenant]
        share = self._shares[tenant] = Share(tenant, self._weights.get(tenant, 1.0))
        return share
