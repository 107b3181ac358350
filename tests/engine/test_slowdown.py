"""The slowdown plugin, alone and in a stock server."""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engine import bare, sglang_slowdown
from engine.backend import StartError
from engine.spec import WorkerSpec

_SCHEDULER = "sglang.srt.managers.scheduler"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets of hooks, in a process that looks like a scheduler of SGLang's."""
    targets: list[str] = []
    scheduler = ModuleType(_SCHEDULER)
    vars(scheduler)["Scheduler"] = type("Scheduler", (), {})
    registry = ModuleType("sglang.srt.plugins.hook_registry")
    vars(registry)["HookRegistry"] = SimpleNamespace(register=lambda target, *_: targets.append(target))
    vars(registry)["HookType"] = SimpleNamespace(AROUND="around")
    for name in ("sglang", "sglang.srt", "sglang.srt.plugins"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for module in (scheduler, registry):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return targets


def test_is_registered_once_where_asked_for(registered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two plugins may ask for it, passes are stretched once; without a factor nothing is touched."""
    monkeypatch.setenv(sglang_slowdown.VARIABLE, "1.0")
    sglang_slowdown.register()
    assert registered == []
    monkeypatch.setenv(sglang_slowdown.VARIABLE, "3.0")
    sglang_slowdown.register()
    sglang_slowdown.register()
    assert registered == [f"{_SCHEDULER}.Scheduler.run_batch"]


def test_touches_no_other_process(registered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of SGLang's without a scheduler the plugin is inert."""
    monkeypatch.setenv(sglang_slowdown.VARIABLE, "3.0")
    monkeypatch.delitem(sys.modules, _SCHEDULER)
    sglang_slowdown.register()
    assert registered == []


def _spec(slowdown: float) -> WorkerSpec:
    return WorkerSpec(name="r", endpoint="", model_path="m", device="cpu", slowdown=slowdown)


def test_a_stock_server_loads_the_slowdown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stock server names the plugins that it may load: none, or the slowdown if it is installed."""
    assert bare.plugins(_spec(1.0)) == "none"
    monkeypatch.setattr(bare, "entry_points", lambda **_: [object()])
    assert bare.plugins(_spec(3.0)) == sglang_slowdown.PLUGIN
    monkeypatch.setattr(bare, "entry_points", lambda **_: [])
    with pytest.raises(StartError, match="not installed"):
        bare.plugins(_spec(3.0))


def _compute() -> int:
    return sum(range(400_000))


def test_a_slowdown_stretches_computing_time() -> None:
    """A factor of 3 makes a computation take three times the thread's time, and keeps its result."""
    stretched: Any = sglang_slowdown.stretched
    stretched(1.0, _compute)  # imports torch
    begun = time.thread_time()
    expected = _compute()
    plain = time.thread_time() - begun
    begun = time.thread_time()
    assert stretched(3.0, _compute) == expected
    assert (time.thread_time() - begun) / plain == pytest.approx(3.0, rel=0.5)
