"""Which runtimes run where, on machines of all kinds."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from launch.server.config import RuntimeConfig, ServerConfig
from launch.server.devices import Machine, detect, restrict
from launch.server.slots import cpu_runtimes, gpu_runtimes
from sched.errors import ConfigError

UUIDS = ["GPU-aa11", "GPU-aa22", "GPU-bb33"]
BARE = Machine(gpus=(), cores=(0, 1, 2, 3))
FOUR_GPUS = Machine(gpus=(0, 1, 2, 3), cores=(0, 1))


def gpus_of(runtimes: Sequence[RuntimeConfig]) -> dict[str, tuple[int, ...]]:
    return {runtime.name: runtime.gpus for runtime in runtimes}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        ("-1", ()),
        ("2,0", (2, 0)),
        ("0,7,1", (0,)),
        ("GPU-bb,GPU-aa2", (2, 1)),
        ("GPU-aa", ()),
    ],
)
def test_visible_gpus(visible: str | None, expected: tuple[int, ...]) -> None:
    """CUDA_VISIBLE_DEVICES restricts and orders as in CUDA; an ambiguous or unknown entry ends the list."""
    assert restrict(UUIDS, visible) == expected


def test_detects_the_cores_of_this_process() -> None:
    """Cores are those this process may use; hidden GPUs aren't counted."""
    machine = detect({"CUDA_VISIBLE_DEVICES": ""})
    assert machine == Machine((), tuple(sorted(os.sched_getaffinity(0))))


@pytest.mark.parametrize(("cores", "count"), [((0, 1, 2, 3), 2), ((5,), 1)])
def test_two_cpu_slots_where_there_are_cores(cores: tuple[int, ...], count: int) -> None:
    """Without GPU there are two runtimes, or one on a single core."""
    assert [r.name for r in cpu_runtimes(ServerConfig(), Machine((), cores))] == ["cpu-0", "cpu-1"][:count]


def test_simulated_runtimes_need_no_cores() -> None:
    """Stand-ins are named as such and may outnumber the cores."""
    runtimes = cpu_runtimes(ServerConfig(simulated=True, cpu_slots=9), BARE)
    assert [runtime.name for runtime in runtimes][-1] == "sim-8"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ServerConfig(cpu_slots=5), "--cpu-slots 5: each runtime needs a core .* has 4; ask for fewer"),
        (ServerConfig(runtime=(RuntimeConfig(),) * 5), r"5 \[\[runtime\]\] tables: .* ask for fewer"),
        (
            ServerConfig(cpu_slots=3, runtime=(RuntimeConfig(),)),
            r"--cpu-slots 3 contradicts the 1 \[\[runtime\]\] tables; leave it out",
        ),
        (ServerConfig(gpus=(0,)), "--gpus: no GPU is visible; leave it out to use CPU slots"),
        (ServerConfig(runtime=(RuntimeConfig(gpus=(0,)),)), "--gpus: no GPU is visible"),
        (ServerConfig(simulated=True, gpus=(0,)), "--gpus: the runtimes are --simulated"),
        (ServerConfig(tp_size=2), "--tp-size 2 needs GPUs; leave it out"),
    ],
)
def test_cpu_mistakes(config: ServerConfig, message: str) -> None:
    """Settings that don't fit a machine without GPU are named with the remedy."""
    with pytest.raises(ConfigError, match=message):
        cpu_runtimes(config, BARE)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ServerConfig(), {"gpu-0": (0,), "gpu-1": (1,), "gpu-2": (2,), "gpu-3": (3,)}),
        (ServerConfig(gpus=(3, 1)), {"gpu-3": (3,), "gpu-1": (1,)}),
        (ServerConfig(tp_size=2), {"gpu-0-1": (0, 1), "gpu-2-3": (2, 3)}),
        (
            ServerConfig(runtime=(RuntimeConfig(name="big", gpus=(0, 2)), RuntimeConfig(name="small"))),
            {"big": (0, 2), "small": (1,)},
        ),
        (
            ServerConfig(
                mem_fraction_static=0.4,
                runtime=(RuntimeConfig(name="a", gpus=(0,)), RuntimeConfig(name="b", gpus=(0,))),
            ),
            {"a": (0,), "b": (0,)},
        ),
    ],
)
def test_gpus_are_shared_out(config: ServerConfig, expected: dict[str, tuple[int, ...]]) -> None:
    """Runtimes get tp_size GPUs each; tables keep theirs, and the others get what is free."""
    assert gpus_of(gpu_runtimes(config, FOUR_GPUS)) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ServerConfig(gpus=(0, 5)), "--gpus: there is no GPU 5; choose among 0, 1, 2, 3"),
        (ServerConfig(gpus=(0, 0)), "--gpus: GPU 0 is named twice; name it once"),
        (ServerConfig(tp_size=3), "--tp-size 3 doesn't divide the 4 GPUs in use; choose them with --gpus"),
        (ServerConfig(cpu_slots=2), "--cpu-slots is for machines without GPU; use --gpus"),
        (
            ServerConfig(gpus=(0,), runtime=(RuntimeConfig(name="a", gpus=(1,)),)),
            "gpus of runtime 'a': there is no GPU 1; choose among 0",
        ),
        (
            ServerConfig(gpus=(0,), runtime=(RuntimeConfig(name="a"), RuntimeConfig(name="b"))),
            "runtime 'b' has 0 GPUs but needs 1",
        ),
        (
            ServerConfig(tp_size=2, runtime=(RuntimeConfig(name="a", gpus=(0,)),)),
            r"runtime 'a' has 1 GPUs but needs 2 \(--tp-size\)",
        ),
        (
            ServerConfig(runtime=(RuntimeConfig(name="a", gpus=(0,)), RuntimeConfig(name="b", gpus=(0,)))),
            "GPU 0 is shared by 2 runtimes: give 'a' a mem_fraction_static",
        ),
    ],
)
def test_gpu_mistakes(config: ServerConfig, message: str) -> None:
    """GPUs that don't exist, don't suffice or would be shared unawares are named with the remedy."""
    with pytest.raises(ConfigError, match=message):
        gpu_runtimes(config, FOUR_GPUS)
