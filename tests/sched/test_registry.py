"""Loading policies by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from launch.shipped import ordering_registry, placement_registry
from sched.errors import ConfigError
from sched.registry import Registry

_MINE = """
from sched.policy import Placement

class Mine:
    name = "mine"
    def place(self, call, runtimes, now):
        return Placement(runtimes[0].name, "always the first")

class NeedsArguments(Mine):
    def __init__(self, weight): ...

class Nameless:
    def place(self, call, runtimes, now): ...

instance = Mine()
number = 5
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a user's module on the path."""
    (tmp_path / "my_policies_for_test.py").write_text(_MINE)
    (tmp_path / "broken_policies_for_test.py").write_text("import no_such_module_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return "my_policies_for_test"


def test_shipped_policies_load_by_name() -> None:
    """Every registered name loads a policy of that name."""
    assert {"round_robin", "least_work"} <= set(placement_registry().names())
    assert {"fcfs", "urgency"} <= set(ordering_registry().names())
    for name in placement_registry().names():
        assert placement_registry().load(name).name == name
    for name in ordering_registry().names():
        assert ordering_registry().load(name).name == name


@pytest.mark.parametrize("attribute", ["Mine", "instance"])
def test_a_users_policy_loads_by_module_and_attribute(user_module: str, attribute: str) -> None:
    """A class is instantiated, an instance taken as it is."""
    assert placement_registry().load(f"{user_module}:{attribute}").name == "mine"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_name", "round_robin"),
        (":Mine", "module:attribute"),
        ("my_policies_for_test:", "module:attribute"),
        ("my_policies_for_test:Missing", "AttributeError"),
        ("my_policies_for_test:NeedsArguments", "weight"),
        ("my_policies_for_test:Nameless", "PlacementPolicy"),
        ("my_policies_for_test:number", "PlacementPolicy"),
        ("broken_policies_for_test:Mine", "no_such_module_at_all"),
        ("nowhere_to_be_found:Mine", "PYTHONPATH"),
        ("plugins.ordering.fcfs:Fcfs", "PlacementPolicy"),
    ],
)
@pytest.mark.usefixtures("user_module")
def test_a_mistake_names_the_flag_and_what_is_wrong(target: str, words: str) -> None:
    """What can't be loaded is refused in a sentence that names the flag, the target and the trouble."""
    with pytest.raises(ConfigError, match="--placement") as caught:
        placement_registry().load(target)
    assert target in caught.value.message
    assert words in caught.value.message
    assert caught.value.field == "placement"


def test_a_name_is_registered_once() -> None:
    """A second policy of one name is refused rather than replacing the first."""
    registry = placement_registry()
    with pytest.raises(ConfigError, match="twice"):
        registry.add("round_robin", "somewhere:Else")
    assert type(registry.load("round_robin")).__name__ == "RoundRobin"


@pytest.mark.parametrize("target", ["my_policies_for_test:Mine", "my_policies_for_test:number"])
@pytest.mark.usefixtures("user_module")
def test_a_class_is_of_its_kind(target: str) -> None:
    """It is given as it is; anything else is refused with what it must derive from."""
    registry = Registry("cause", Exception, noun="kind")
    registry.add("wrong", target)
    registry.add("right", "sched.errors:ConfigError")
    assert registry.load_class("right") is ConfigError
    with pytest.raises(ConfigError) as caught:
        registry.load_class("wrong")
    assert caught.value.message == (
        f"--cause: {target!r} is no cause kind: it must derive from builtins.Exception"
    )
