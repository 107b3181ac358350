"""The slowdown plugin, alone and in a stock server."""

from __future__ import annotations

import io
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from engine.sglang import slowdown as sglang_slowdown
from engine.sglang import stock_server, variables
from engine.wire.worker_spec import WorkerSpec
from engine.worker.runtime_interface import StartError

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
    monkeypatch.setenv(variables.SLOWDOWN, "1.0")
    sglang_slowdown.register()
    assert registered == []
    monkeypatch.setenv(variables.SLOWDOWN, "3.0")
    sglang_slowdown.register()
    sglang_slowdown.register()
    assert registered == [f"{_SCHEDULER}.Scheduler.run_batch"]


def test_touches_no_other_process(registered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of SGLang's without a scheduler the plugin is inert."""
    monkeypatch.setenv(variables.SLOWDOWN, "3.0")
    monkeypatch.delitem(sys.modules, _SCHEDULER)
    sglang_slowdown.register()
    assert registered == []


def _spec(slowdown: float) -> WorkerSpec:
    return WorkerSpec(name="r", endpoint="", model_path="m", device="cpu", slowdown=slowdown)


def test_a_stock_server_loads_the_slowdown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stock server names the plugins that it may load: none, or the slowdown if it is installed."""
    assert stock_server.plugins(_spec(1.0)) == "none"
    monkeypatch.setattr(stock_server, "entry_points", lambda **_: [object()])
    assert stock_server.plugins(_spec(3.0)) == sglang_slowdown.PLUGIN
    monkeypatch.setattr(stock_server, "entry_points", lambda **_: [])
    with pytest.raises(StartError, match="not installed"):
        stock_server.plugins(_spec(3.0))


def test_a_stock_server_ends_with_whoever_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its standard input closes, its children are ended first, then itself."""
    done: list[object] = []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    monkeypatch.setattr(stock_server, "end_children", lambda: done.append("children"))
    monkeypatch.setattr(os, "_exit", done.append)
    stock_server._follow_lifeline()
    assert done == ["children", 0]


class Time:
    """Stands for the module ``time``: each look at the clock takes a little while."""

    def __init__(self, name: str) -> None:
        self.now = 0.0
        setattr(self, name, self._look)

    def _look(self) -> float:
        self.now += 1e-6
        return self.now


@pytest.mark.parametrize(("on_gpu", "clock"), [(False, "thread_time"), (True, "perf_counter")])
def test_a_slowdown_stretches_computing_time(
    monkeypatch: pytest.MonkeyPatch, on_gpu: bool, clock: str
) -> None:
    """A factor of 3 makes a pass take three times as long, its kernels included, and keeps its result."""
    time = Time(clock)

    def compute(result: str) -> str:
        time.now += 0.001
        return result

    def synchronize() -> None:
        time.now += 0.002

    cuda = SimpleNamespace(is_available=lambda: on_gpu, synchronize=synchronize)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(sglang_slowdown, "time", time)
    assert sglang_slowdown.stretched(3.0, compute, "result") == "result"
    assert time.now == pytest.approx(0.009 if on_gpu else 0.003, abs=1e-5)
