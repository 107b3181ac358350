"""Everything shipped that a user can name; the only place that lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sched.policy import AdmissionPolicy, OrderingPolicy, PlacementPolicy
from sched.registry import Registry

if TYPE_CHECKING:
    from plugins.text2sql.databases.database import Database
    from plugins.text2sql.profile import Profile
    from plugins.workflow_kind import WorkflowKind

T = TypeVar("T")

_PLACEMENT = {
    "round_robin": "round_robin:RoundRobin",
    "random": "random:Random",
    "power_of_two": "power_of_two:PowerOfTwo",
    "least_outstanding": "least_outstanding:LeastOutstanding",
    "least_work": "least_work:LeastWork",
    "cache_aware": "cache_aware:CacheAware",
    "cache_aware_small": "cache_aware:CacheAwareSmall",
    "hexgen_flow": "hexgen_flow:HexgenFlow",
    "sluice": "sluice:Sluice",
}
_ORDERING = {
    "fcfs": "fcfs:Fcfs",
    "lpm": "lpm:Lpm",
    "urgency": "urgency:Urgency",
    "edf": "edf:Edf",
    "llf": "llf:Llf",
    "las": "las:Las",
    "srpt": "srpt:Srpt",
    "oldest_workflow": "oldest_workflow:OldestWorkflow",
    "adaptive": "adaptive:Adaptive",
    "fair": "fair:Fair",
    "vtc": "vtc:Vtc",
}
_ADMISSION = {
    "always": "always:Always",
    "slo_aware": "slo_aware:SloAware",
}
_PROFILES = {
    "compact": "plugins.text2sql.profile:Compact",
    "full": "plugins.text2sql.profile:Full",
    "demo": "plugins.text2sql.demo.demo_profile:DemoProfile",
}
_WORKFLOWS = {
    "text2sql": "plugins.text2sql.program:Chess",
    "majority": "plugins.majority.majority:Majority",
}
_DATABASES = {
    "duckdb": "plugins.text2sql.databases.duckdb.duckdb_database:DuckdbDatabase",
    "mariadb": "plugins.text2sql.databases.mysql.mysql_database:MysqlDatabase",
    "mysql": "plugins.text2sql.databases.mysql.mysql_database:MysqlDatabase",
    "postgresql": "plugins.text2sql.databases.postgresql.postgresql_database:PostgresqlDatabase",
    "sqlite": "plugins.text2sql.databases.sqlite.sqlite_database:SqliteDatabase",
}


def placement_registry() -> Registry[PlacementPolicy]:
    """Return the placement policies a user can name."""
    return _of_folder(Registry("placement", PlacementPolicy), _PLACEMENT)  # type: ignore[type-abstract]


def ordering_registry() -> Registry[OrderingPolicy]:
    """Return the ordering policies a user can name."""
    return _of_folder(Registry("ordering", OrderingPolicy), _ORDERING)  # type: ignore[type-abstract]


def admission_registry() -> Registry[AdmissionPolicy]:
    """Return the admission policies a user can name."""
    return _of_folder(Registry("admission", AdmissionPolicy), _ADMISSION)  # type: ignore[type-abstract]


def workflow_registry() -> Registry[WorkflowKind]:
    """Return the kinds of workflow that a user can name."""
    # Imported here and below, since the simulator needs none of the libraries for SQL (a second to import).
    from plugins.workflow_kind import WorkflowKind

    return _filled(Registry("workflow", WorkflowKind, noun="kind"), _WORKFLOWS)  # type: ignore[type-abstract]


def profile_registry() -> Registry[Profile]:
    """Return the profiles of models that a user can name."""
    from plugins.text2sql.profile import Profile

    return _filled(Registry("prompt_profile", Profile, noun="profile"), _PROFILES)  # type: ignore[type-abstract]


def database_registry() -> Registry[Database]:
    """Return the kinds of database, each under the scheme of its addresses."""
    from plugins.text2sql.databases.database import Database

    return _filled(Registry("database", Database, noun="kind"), _DATABASES)  # type: ignore[type-abstract]


def _of_folder(registry: Registry[T], shipped: dict[str, str]) -> Registry[T]:
    """Add what ``plugins`` holds in the folder of the registry's kind."""
    return _filled(registry, {name: f"plugins.{registry.kind}.{of}" for name, of in shipped.items()})


def _filled(registry: Registry[T], shipped: dict[str, str]) -> Registry[T]:
    for name, target in shipped.items():
        registry.add(name, target)
    return registry
