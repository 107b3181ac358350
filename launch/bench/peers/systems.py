"""The systems that are compared, by name: SGLang's router before stock servers, and Sluice's policies."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from launch.shipped import ordering_registry, placement_registry
from sched.errors import ConfigError

ROUTER_POLICIES = ("cache_aware", "power_of_two", "round_robin", "random")
_PARAMETERS = {
    "cache_threshold": "cache_threshold",
    "balance_abs_threshold": "balance_abs",
    "balance_rel_threshold": "balance_rel",
}
"""Of the router's cache_aware, and what our re-implementation calls them."""
_ACTS_LIKE = {"power_of_two": "random"}
"""The router's ``power_of_two`` compares loads that it asks the servers for now and then; between two answers
it knows nothing (sgl-router's ``policies/power_of_two.rs``, ``cached_loads``)."""


@dataclass(frozen=True, slots=True)
class System:
    """``router:POLICY``, with the router's flags as parameters, or ``sluice:PLACEMENT+ORDERING``."""

    name: str

    @property
    def kind(self) -> str:
        """``router`` or ``sluice``."""
        return self.name.partition(":")[0]

    @property
    def is_router(self) -> bool:
        """Whether it is SGLang's router before stock servers."""
        return self.kind == "router"

    @property
    def policy(self) -> str:
        """What follows the colon."""
        return self.name.partition(":")[2]

    @property
    def flags(self) -> list[str]:
        """The router's command line for its policy."""
        policy, _, given = self.policy.partition("?")
        flags = [(f"--{name.replace('_', '-')}", value) for name, value in parse_qsl(given)]
        return ["--policy", policy, *(part for flag in flags for part in flag)]

    @property
    def placement(self) -> str:
        """The placement policy; for a router our re-implementation of its policy, which is for simulation."""
        if not self.is_router:
            return self.policy.rpartition("+")[0]
        policy, _, given = self.policy.partition("?")
        policy = _ACTS_LIKE.get(policy, policy)
        told = "&".join(f"{_PARAMETERS[name]}={value}" for name, value in parse_qsl(given))
        return f"{policy}?{told}" if told else policy

    @property
    def ordering(self) -> str:
        """The ordering policy; stock servers have first come, first served."""
        return "fcfs" if self.is_router else self.policy.rpartition("+")[2]

    def check(self) -> None:
        """Find mistakes in the name.

        Raises:
            ConfigError: it is none; the message says what could be.
        """
        policy = self.policy
        if self.kind not in ("router", "sluice") or (self.kind == "sluice" and "+" not in policy):
            raise ConfigError(
                f"--systems: {self.name!r} is none: give router:POLICY or sluice:PLACEMENT+ORDERING",
                field="systems",
            )
        if self.is_router:
            known, _, given = policy.partition("?")
            unknown = [name for name, _ in parse_qsl(given) if name not in _PARAMETERS]
            if known not in ROUTER_POLICIES or unknown:
                raise ConfigError(
                    f"--systems: {self.name!r}: the router's policies are {', '.join(ROUTER_POLICIES)}, "
                    f"their parameters {', '.join(_PARAMETERS)}",
                    field="systems",
                )
        placement_registry().load(self.placement)
        ordering_registry().load(self.ordering)


SYSTEMS = (
    System("router:cache_aware"),
    System("router:cache_aware?balance_abs_threshold=8&balance_rel_threshold=1.2"),
    System("router:power_of_two"),
    System("router:round_robin"),
    System("sluice:least_outstanding+fcfs"),
    System("sluice:hexgen_flow+urgency"),
    System("sluice:sluice+adaptive"),
)
OURS = SYSTEMS[-1]
"""The one that the others are compared with."""
