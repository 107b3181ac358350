"""The shipped policies by name; the only place that lists them."""

from __future__ import annotations

from sched.policy import AdmissionPolicy, OrderingPolicy, PlacementPolicy
from sched.registry import Registry


def placement_registry() -> Registry[PlacementPolicy]:
    """Return the placement policies a user can name."""
    registry: Registry[PlacementPolicy] = Registry("placement", PlacementPolicy)  # type: ignore[type-abstract]
    for name, target in (
        ("round_robin", "round_robin:RoundRobin"),
        ("random", "random:Random"),
        ("power_of_two", "power_of_two:PowerOfTwo"),
        ("least_outstanding", "least_outstanding:LeastOutstanding"),
        ("least_work", "least_work:LeastWork"),
        ("cache_aware", "cache_aware:CacheAware"),
        ("cache_aware_small", "cache_aware:CacheAwareSmall"),
        ("hexgen_flow", "hexgen_flow:HexgenFlow"),
        ("sluice", "sluice:Sluice"),
    ):
        registry.add(name, f"plugins.placement.{target}")
    return registry


def ordering_registry() -> Registry[OrderingPolicy]:
    """Return the ordering policies a user can name."""
    registry: Registry[OrderingPolicy] = Registry("ordering", OrderingPolicy)  # type: ignore[type-abstract]
    for name, target in (
        ("fcfs", "fcfs:Fcfs"),
        ("lpm", "lpm:Lpm"),
        ("urgency", "urgency:Urgency"),
        ("edf", "edf:Edf"),
        ("llf", "llf:Llf"),
        ("las", "las:Las"),
        ("srpt", "srpt:Srpt"),
        ("oldest_workflow", "oldest_workflow:OldestWorkflow"),
        ("adaptive", "adaptive:Adaptive"),
    ):
        registry.add(name, f"plugins.ordering.{target}")
    return registry


def admission_registry() -> Registry[AdmissionPolicy]:
    """Return the admission policies a user can name."""
    registry: Registry[AdmissionPolicy] = Registry("admission", AdmissionPolicy)  # type: ignore[type-abstract]
    registry.add("always", "plugins.admission.always:Always")
    registry.add("slo_aware", "plugins.admission.slo_aware:SloAware")
    return registry
