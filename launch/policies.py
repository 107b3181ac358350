"""The shipped policies by name; the only place that lists them."""

from __future__ import annotations

from sched.policy import OrderingPolicy, PlacementPolicy
from sched.registry import Registry


def placement_registry() -> Registry[PlacementPolicy]:
    """Return the placement policies a user can name."""
    registry: Registry[PlacementPolicy] = Registry("placement", PlacementPolicy)  # type: ignore[type-abstract]
    registry.add("round_robin", "plugins.placement.round_robin:RoundRobin")
    registry.add("least_outstanding", "plugins.placement.least_outstanding:LeastOutstanding")
    registry.add("least_work", "plugins.placement.least_work:LeastWork")
    return registry


def ordering_registry() -> Registry[OrderingPolicy]:
    """Return the ordering policies a user can name."""
    registry: Registry[OrderingPolicy] = Registry("ordering", OrderingPolicy)  # type: ignore[type-abstract]
    registry.add("fcfs", "plugins.ordering.fcfs:Fcfs")
    registry.add("urgency", "plugins.ordering.urgency:Urgency")
    return registry
