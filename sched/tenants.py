"""A tenant: a team that shares the cluster with others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tenant:
    """``weight``: its share of the cluster, over the sum of those that have work; above 0."""

    name: str
    weight: float = 1.0
    deadline_class: str = "standard"
