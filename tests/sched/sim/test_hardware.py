"""GPUs, clusters, settings, and what a trace asks of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.shipped import ordering_registry, placement_registry
from sched.errors import ConfigError
from sched.predict.calibration import read_calibration
from sched.predict.speed import Pass
from sched.sim.batching import SimRuntimeConfig
from sched.sim.bounds import base_seconds, rate_bound, stage_seconds
from sched.sim.hardware import CLUSTERS, GPUS, parse_cluster
from sched.sim.simulator import SimOptions, Simulator
from sched.traces.arrivals import draw
from sched.traces.trace_format import TraceWorkflow, read_trace
from tests.sched.sim.sim_factories import trace_call, trace_workflow

SHIPPED = Path(__file__).parents[3] / "traces"


@pytest.mark.parametrize(("name", "rate"), [("financial", 0.702), ("formula1", 0.468)])
def test_the_rate_bound_is_the_known_one(name: str, rate: float) -> None:
    """40 % of the work bound of Hetero-1 is the published arrival rate, within 3 %."""
    trace = read_trace(SHIPPED / f"hexgen_flow_{name}.jsonl")
    assert 0.4 * rate_bound(trace, parse_cluster("hetero1")) == pytest.approx(rate, rel=0.03)


def test_the_rate_bound_grows_with_the_cluster_and_with_sharing() -> None:
    """Twice the GPUs do twice the work; a shared template is computed once."""
    gpus = [GPUS["a100"]]
    alone = [trace_workflow(trace_call(0, prompt=2000, output=2), workflow_id=str(i)) for i in range(4)]
    assert rate_bound(alone, gpus * 2) == pytest.approx(2 * rate_bound(alone, gpus))
    segments = trace_call(0, prompt=2000).segments
    shared = tuple(s._replace(shared="t", kind=s.kind.TEMPLATE) for s in segments)
    calls = trace_call(0, output=2, segments=shared)
    together: list[TraceWorkflow] = [trace_workflow(calls, workflow_id=str(i)) for i in range(4)]
    assert rate_bound(together, gpus) > 100 * rate_bound(alone, gpus)


def test_expected_seconds_follow_the_longest_chain() -> None:
    """Siblings count once, SQL counts, and a stage counts with its mean."""
    calls = (
        trace_call(0, stage="a", sql=1.0),
        trace_call(1, 0, stage="b"),
        trace_call(2, 0, stage="b"),
        trace_call(3, 1, 2, stage="c"),
    )
    workflow = trace_workflow(*calls)
    stages = stage_seconds([workflow], parse_cluster("hetero1"))
    assert base_seconds(workflow, stages) == pytest.approx(stages["a"] + 1.0 + stages["b"] + stages["c"])
    lone = GPUS["a100"].call_seconds(320, 20)
    assert stage_seconds([workflow], [GPUS["a100"]])["a"] == pytest.approx(lone)


def test_clusters_and_settings_are_told_by_name() -> None:
    """The known names work, and a mistake lists them."""
    assert [gpu.name for gpu in parse_cluster("hetero2")] == list(CLUSTERS["hetero2"])
    assert [gpu.name for gpu in parse_cluster("A100, l40s")] == ["a100", "l40s"]
    with pytest.raises(ConfigError, match=r"unknown GPU 'b300'.*hetero1.*l40s"):
        parse_cluster("a100,b300")


@pytest.mark.parametrize(
    ("name", "chunk", "mixed"),
    [("default", 8192, False), ("prefill1024", 1024, False), ("mixed2048", 2048, True), ("ridge", 136, True)],
)
def test_runtime_settings(name: str, chunk: int, mixed: bool) -> None:
    """A setting gives each GPU its chunk; the ridge of an A100 is 114 tokens."""
    batching = SimRuntimeConfig(name=name, kv_scale=0.5).batching(GPUS["a100"])
    assert (batching.chunked_prefill_size, batching.enable_mixed_chunk) == (chunk, mixed)
    assert batching.max_total_tokens == 80_000


@pytest.mark.parametrize("name", ["default2", "mixed", "prefill0", "fast", "ridge0"])
def test_unknown_runtime_settings_are_refused(name: str) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigError, match=f"unknown setting '{name}'"):
        SimRuntimeConfig(name=name).batching(GPUS["a100"])


def test_estimates_are_marked() -> None:
    """Only the three GPUs of the evidence are not called estimates."""
    assert {name for name, gpu in GPUS.items() if not gpu.estimate} == {"a100", "a6000", "l40s"}


CALIBRATION = SHIPPED / "calibration_cpu.json"


def test_a_calibration_is_hardware() -> None:
    """A simulated runtime from a calibration takes what the calibration's speed says of its passes."""
    (gpu,) = parse_cluster(f"file:{CALIBRATION}")
    calibration = read_calibration(CALIBRATION)
    speed = calibration.speed
    assert gpu.name == "calibration_cpu"
    assert (gpu.kv_tokens, gpu.chunk_tokens) == (calibration.max_total_tokens, calibration.chunk_tokens)
    flop = gpu.prefill_flop(512, 256)
    prefill = Pass(1, 512, 512 * 512.0, 768.0**2, 0, 0, 0.0)
    assert gpu.iteration_seconds(flop, 0, 0) == pytest.approx(speed.pass_seconds(prefill))
    step = Pass(0, 0, 0.0, 0.0, 4, 3000, 0.0)
    assert gpu.iteration_seconds(4 * 140e9, 3000, 4) == pytest.approx(speed.pass_seconds(step))
    assert gpu.speed.attention == pytest.approx(speed.attention)


def test_simulated_passes_teach_the_dispatcher() -> None:
    """Uncalibrated, the dispatcher learns a runtime's speed from the passes that it reports."""
    gpus = parse_cluster("a100")
    simulator = Simulator(
        gpus,
        SimRuntimeConfig(),
        placement_registry().load("least_work"),
        ordering_registry().load("fcfs"),
        SimOptions(calibrated=False),
    )
    simulator.run(draw(read_trace(SHIPPED / "hexgen_flow_financial.jsonl"), 40, 0.2, "poisson", 0))
    latency = simulator.dispatcher.runtimes["a100-0"].latency
    assert latency.passes > 100
    assert latency.step_seconds(4, 20_000) == pytest.approx(gpus[0].iteration_seconds(0, 20_000), rel=0.1)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "can't be read"), ("{", "no calibration"), ("{}", "no calibration")]
)
def test_a_wrong_calibration_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    """With the file's name and what to do."""
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        parse_cluster(f"file:{path}")
