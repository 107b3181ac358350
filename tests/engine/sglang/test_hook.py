"""The ordering hook, without SGLang around it (``test_worker_real`` has it inside)."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engine.sglang import hook, variables
from engine.sglang.variables import LEDGER
from engine.wire.ordering_proof import PROOF_ORDER, PROOF_QUEUE
from sched.order import queue_position


def request(name: str, place: tuple[float, int] | tuple[float, int, int] | None) -> SimpleNamespace:
    params = {**hook.custom_params(*place), "__req__": object()} if place else None
    return SimpleNamespace(rid=name, sampling_params=SimpleNamespace(custom_params=params))


def ordered(queue: list[Any], *args: Any, **kwargs: Any) -> list[str]:
    """Return the names of ``queue`` after the hook around a policy that does nothing."""
    hook.in_our_order(lambda *a, **k: None, object(), queue, *args, **kwargs)
    return [entry.rid for entry in queue]


def test_sorts_in_place_by_priority_then_key_then_sequence() -> None:
    """The proof's queue comes out in the proof's order, however it was shuffled, in the same list."""
    queue = [request(name, place) for name, place in PROOF_QUEUE.items()]
    assert tuple(ordered(queue)) == PROOF_ORDER
    for seed in range(20):
        random.Random(seed).shuffle(queue)
        assert tuple(ordered(queue)) == PROOF_ORDER


def test_foreign_requests_go_first_in_order_of_arrival() -> None:
    """Health checks carry no key: they go ahead and keep their order among themselves."""
    other = SimpleNamespace(rid="f", sampling_params=SimpleNamespace(custom_params={"other": 1}))
    queue = [request("a", (-9.0, 1)), request("d", None), other, request("b", None)]
    assert ordered(queue) == ["d", "f", "b", "a"]


def test_a_rekeyed_request_takes_its_new_place() -> None:
    """A new key holds from the next ordering, once, and for a request that comes after it; the rest stays."""
    policy = SimpleNamespace()
    scheduler = SimpleNamespace(policy=policy)
    queue = [request(name, (key, n, 0)) for n, (name, key) in enumerate([("a", 1.0), ("b", 2.0), ("c", 3.0)])]
    hook.rekey(scheduler, json.dumps({"c": 0.5, "late": 1.5, "gone": 0.0}))
    hook.in_our_order(lambda *a: None, policy, queue)
    assert [entry.rid for entry in queue] == ["c", "a", "b"]
    hook.rekey(scheduler, json.dumps({"a": 9.0}))
    queue.append(request("late", (7.0, 9, 0)))
    hook.in_our_order(lambda *a: None, policy, queue)
    assert [entry.rid for entry in queue] == ["c", "late", "b", "a"]
    queue[-1].sampling_params.custom_params[hook.CUSTOM_PARAM]["key"] = 0.0
    hook.in_our_order(lambda *a: None, policy, queue)
    assert [entry.rid for entry in queue] == ["a", "c", "late", "b"], "a key is given once"


def test_new_keys_nobody_takes_are_bounded() -> None:
    """Keys of requests that had started are not kept for ever; the latest are."""
    scheduler = SimpleNamespace(policy=SimpleNamespace())
    for number in range(10):
        hook.rekey(scheduler, json.dumps({f"{number}-{n}": 1.0 for n in range(1000)}))
    queue = [request("9-999", (2.0, 1, 0)), request("0-0", (2.0, 0, 0))]
    hook.in_our_order(lambda *a: None, scheduler.policy, queue)
    assert [entry.rid for entry in queue] == ["9-999", "0-0"]
    assert len(vars(scheduler.policy)[hook.NEW_KEYS]) < 5000


def test_a_foreign_request_keeps_its_place() -> None:
    """A request without a key, such as a health check, gets none."""
    policy = SimpleNamespace()
    hook.rekey(SimpleNamespace(policy=policy), json.dumps({"d": 5.0}))
    queue = [request("a", (1.0, 1, 0)), request("d", None)]
    hook.in_our_order(lambda *a: None, policy, queue)
    assert [entry.rid for entry in queue] == ["d", "a"]


@pytest.mark.parametrize("arguments", [((), {}), ((None,), {}), ((None,), {"processed_tokens": 3})])
def test_passes_on_what_versions_of_sglang_give(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    """The original runs first with all its arguments, whichever this version has."""
    seen: list[Any] = []
    policy, queue = object(), [request("b", (2.0, 1)), request("a", (1.0, 2))]

    def original(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs, [entry.rid for entry in queue]))

    hook.in_our_order(original, policy, queue, *arguments[0], **arguments[1])
    assert seen == [((policy, queue, *arguments[0]), arguments[1], ["b", "a"])]
    assert [entry.rid for entry in queue] == ["a", "b"]


def test_the_order_is_total_and_ascending() -> None:
    """Positions order by priority (larger first), then by key, then by sequence (smaller first)."""
    places = [(5.0, 4, 0), (9.0, 1, 0), (-1.0, 7, 0), (5.0, 3, 0), (-9.0, 2, -1), (8.0, 8, 2), (9.0, 5, 2)]
    assert sorted(places, key=lambda p: queue_position(*p)) == [
        (8.0, 8, 2),
        (9.0, 5, 2),
        (-1.0, 7, 0),
        (5.0, 3, 0),
        (5.0, 4, 0),
        (9.0, 1, 0),
        (-9.0, 2, -1),
    ]


class Registry:
    """Stands for SGLang's hook registry."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    def register(self, target: str, function: Any, kind: str) -> None:
        self.targets.append(target)


@pytest.fixture
def sglang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A scheduler process as ``register`` sees it."""
    registry = Registry()
    scheduler = ModuleType("sglang.srt.managers.scheduler")
    scheduler_class = type("Scheduler", (), {"ingest_requests": None})
    vars(scheduler).update(Scheduler=scheduler_class)
    registry_module = ModuleType("sglang.srt.plugins.hook_registry")
    vars(registry_module).update(
        HookRegistry=registry, HookType=SimpleNamespace(AROUND="around", AFTER="after", BEFORE="before")
    )
    for name in ("sglang", "sglang.srt", "sglang.srt.plugins"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    batch = ModuleType("sglang.srt.managers.schedule_batch")
    vars(batch).update(re=re)
    for module in (scheduler, registry_module, batch):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv(variables.HOOK, "1")
    monkeypatch.setenv(variables.RUN_DIR, str(tmp_path))
    monkeypatch.delenv(variables.SLOWDOWN, raising=False)
    monkeypatch.delenv(variables.CPU_CURES, raising=False)
    monkeypatch.delenv(LEDGER, raising=False)
    return SimpleNamespace(targets=registry.targets, scheduler=scheduler_class, batch=batch)


def test_registers_in_our_scheduler_processes(sglang: SimpleNamespace) -> None:
    """In a scheduler process of our worker the hooks and the proof are installed."""
    hook.register()
    assert [target.rsplit(".", 2)[-2:] for target in sglang.targets] == [
        ["SchedulePolicy", "calc_priority"],
        ["Scheduler", "run_batch"],
        ["Scheduler", "get_new_batch_prefill"],
        ["Scheduler", "get_new_batch_prefill"],
        ["Scheduler", "__init__"],
        ["Scheduler", "ingest_requests"],
        ["Scheduler", "__init__"],
        ["BaseGrammarBackend", "set_cache"],
    ]
    for method in (hook.PROVE_METHOD, hook.REKEY_METHOD):
        assert callable(getattr(sglang.scheduler, method))
    assert sglang.batch.re.search("(a|a)+b", "a" * 1_000) is None


def test_keeps_a_ledger_where_it_is_asked_for(
    sglang: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only then: it looks at every request before every pass."""
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger"))
    hook.register()
    assert "sglang.srt.managers.scheduler.Scheduler.get_next_batch_to_run" in sglang.targets


@pytest.mark.parametrize("how", ["not our worker", "not a scheduler process"])
def test_does_nothing_elsewhere(sglang: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """In other SGLang servers of the environment, and in other processes of ours, the plugin is inert."""
    if how == "not our worker":
        monkeypatch.delenv(variables.HOOK)
    else:
        monkeypatch.delitem(sys.modules, "sglang.srt.managers.scheduler")
    hook.register()
    assert sglang.targets == []
    assert not hasattr(sglang.scheduler, hook.PROVE_METHOD)


@pytest.mark.parametrize("value", ["0.5", "fast"])
def test_a_wrong_slowdown_installs_nothing(
    sglang: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A hook that can't be set up raises before anything is installed, so the proof will fail."""
    monkeypatch.setenv(variables.SLOWDOWN, value)
    with pytest.raises(ValueError):
        hook.register()
    assert sglang.targets == []
    assert not hasattr(sglang.scheduler, hook.PROVE_METHOD)


def scheduler_with(calc_priority: Any) -> SimpleNamespace:
    return SimpleNamespace(
        policy=SimpleNamespace(calc_priority=calc_priority),
        max_running_requests=4,
        max_total_num_tokens=99,
        enable_overlap=False,
        chunked_prefill_size=512,
        is_mixed_chunk=False,
    )


@pytest.fixture
def synthetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_synthetic_request", request)


@pytest.mark.usefixtures("synthetic")
def test_the_proof_reports_what_the_policy_did(tmp_path: Path) -> None:
    """A policy with our hook passes, and the report is written by the process that proved it."""
    hook._prove(scheduler_with(lambda queue, batch: ordered(queue, batch)), str(tmp_path / "proof"))
    (report,) = tmp_path.iterdir()
    assert '"order": ["proof-unkeyed"' in report.read_text()
    assert '"max_total_tokens": 99' in report.read_text()


@pytest.mark.usefixtures("synthetic")
@pytest.mark.parametrize("how", ["first come first served", "reversed", "raises"])
def test_the_proof_fails_on_any_other_order(tmp_path: Path, how: str) -> None:
    """Without our hook, with another order or with a hook that raises there is no report."""

    def policy(queue: list[Any], _batch: object) -> None:
        if how == "raises":
            raise RuntimeError("a broken hook")
        if how == "reversed":
            ordered(queue)
            queue.reverse()

    with pytest.raises(RuntimeError):
        hook._prove(scheduler_with(policy), str(tmp_path / "proof"))
    assert list(tmp_path.iterdir()) == []
