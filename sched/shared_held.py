"""The calls held for a runtime, by tenant: the sharing policy says whose goes next."""

from __future__ import annotations

import math

from sched.held import HeldCalls
from sched.request import Call
from sched.shares import Shares
from sched.views import RuntimeView


class SharedHeld(HeldCalls):
    """A queue per tenant, each in the policy's order; with one tenant exactly :class:`HeldCalls`.

    A call that is sent gets a key behind those of other tenants that were sent before and may still wait in
    the runtime's own queue: there, too, an older flood can't overtake it.
    """

    def __init__(self, runtime: str, shares: Shares) -> None:
        super().__init__(runtime)
        self._shares = shares
        self._lines: dict[str, HeldCalls] = {}
        self._chosen: HeldCalls | None = None
        self._sent_keys: dict[str, float] = {}

    def __len__(self) -> int:
        """Entries, spent ones included."""
        return sum(map(len, self._lines.values()))

    def push(self, call: Call) -> None:
        """Add a call, or give it the place of its new key."""
        tenant = self._shares.of(call).tenant
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = HeldCalls(self._runtime)
        line.push(call)

    def compact(self, calls: int) -> None:
        """Drop spent entries if there are many for a number of held ``calls``."""
        for line in self._lines.values():
            line.compact(calls)

    def first(self) -> Call | None:
        """Return the call that is next, if any: of the tenant with the smallest turn, ties by sequence."""
        firsts = [(call, line) for line in self._lines.values() if (call := line.first()) is not None]
        if len(firsts) < len(self._lines):
            self._lines = {tenant: line for tenant, line in self._lines.items() if len(line) or line.aside}
        if not firsts:
            return None
        call, self._chosen = firsts[0] if len(firsts) == 1 else min(firsts, key=lambda f: self._turn(f[0]))
        return call

    def take(self) -> Call:
        """Remove and return what :meth:`first` returned."""
        assert self._chosen is not None
        return self._chosen.take()

    def set_aside(self) -> None:
        """Pass over what :meth:`first` returned until :meth:`look_again`."""
        assert self._chosen is not None
        self._chosen.set_aside()

    def look_again(self) -> None:
        """Put back what was set aside."""
        for line in self._lines.values():
            line.look_again()

    def entered(self, call: Call) -> None:
        """Note that a call is held here from now on."""
        self._shares.entered(call)

    def sent(self, call: Call, runtime: RuntimeView, *, queue_empty: bool) -> None:
        """Charge the tenant of a call that is sent, and see that it isn't overtaken by others."""
        tenant = self._shares.of(call).tenant
        self._shares.sent(call, runtime)
        if queue_empty:
            self._sent_keys.clear()
        before = max((key for other, key in self._sent_keys.items() if other != tenant), default=-math.inf)
        if call.key <= before:
            call.key = math.nextafter(before, math.inf)
        self._sent_keys[tenant] = max(call.key, self._sent_keys.get(tenant, -math.inf))

    def finished(self, call: Call, runtime: RuntimeView, cached_tokens: int, output_tokens: int) -> None:
        """Charge the tenant of a call by what it was."""
        self._shares.finished(call, runtime, cached_tokens, output_tokens)

    def released(self, call: Call) -> None:
        """Forget a call that leaves the runtime."""
        self._shares.released(call)

    def _turn(self, call: Call) -> tuple[float, int]:
        return self._shares.policy.turn(call, self._shares.of(call).virtual, self.now), call.sequence
