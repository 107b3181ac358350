"""Models without weights, and what a server is told for two of them on one GPU; nothing is started."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.sglang.engine_arguments import engine_arguments, environment
from engine.wire.worker_spec import WorkerSpec
from launch.bench.peers.design import Design
from launch.bench.peers.pair import pair_config, stock_spec
from launch.offline.shapes import SHAPES, main, write
from launch.server.config import RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from launch.server.plan import prepare
from launch.server.resolve import resolve
from launch.server.sources import read_config
from sched.errors import ConfigError
from tests.launch.bench.peers.peer_results import design

PARAMETERS = {
    "llama-3.1-8b": 8.03e9,
    "llama-3.1-70b-fp8": 70.6e9,
    "qwen2.5-coder-1.5b": 1.54e9,
    "qwen2.5-coder-7b": 7.62e9,
    "qwen2.5-coder-14b": 14.8e9,
}
OFFLINE = Path("launch/offline")
ONE_GPU = Machine(gpus=(0,), cores=(0, 1))


def parameters(name: str) -> float:
    """Return how many parameters a shape has; norms and biases, a few in a hundred thousand, aside."""
    config = json.loads((Path(name) / "config.json").read_bytes())
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    attention = hidden * (hidden // heads) * 2 * (heads + config["num_key_value_heads"])
    layer = attention + 3 * hidden * config["intermediate_size"]
    embeddings = config["vocab_size"] * hidden * (1 if config["tie_word_embeddings"] else 2)
    return float(config["num_hidden_layers"] * layer + embeddings)


def test_the_shapes_are_those_of_the_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has as many parameters as its makers say."""
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.split()) == len(SHAPES) == len(PARAMETERS)
    for name, expected in PARAMETERS.items():
        assert parameters(str(tmp_path / name)) == pytest.approx(expected, rel=0.01), name


def test_a_shape_can_be_cut_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not below the tokenizer's vocabulary, and an unknown one is refused."""
    made = write(tmp_path, "qwen2.5-coder-1.5b", layers=2, vocabulary=4096)
    assert parameters(str(made)) == pytest.approx(2 * 46.8e6 + 4096 * 1536, rel=0.01)
    assert main([str(tmp_path), "--vocabulary", "10"]) == 2
    assert main([str(tmp_path), "--only", "gpt-5"]) == 2
    assert "llama-3.1-8b" in capsys.readouterr().err


@pytest.fixture
def on_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Design:
    """A comparison on the pair that is shipped, with its models made."""
    for name in SHAPES:
        write(tmp_path / "shapes", name)
    config = (Path.cwd() / OFFLINE / "pair.toml").resolve()
    monkeypatch.chdir(tmp_path)
    return design(tmp_path, config=str(config))


def test_two_models_share_a_gpu(on_gpu: Design, tmp_path: Path) -> None:
    """Each runtime and its stock twin get the model, the device and the memory that the file names."""
    plan = prepare(replace(resolve(pair_config(on_gpu), ONE_GPU), databases={}), ONE_GPU)
    fast, slow = plan.worker_specs("ipc:///unused")
    assert (fast.gpu_ids, slow.gpu_ids) == ((0,), (0,))
    assert (fast.prefill_budget, fast.device) == (0, "cuda")
    told = engine_arguments(slow, tmp_path)
    assert told["model_path"].endswith("shapes/qwen2.5-coder-7b")
    assert (told["load_format"], told["max_total_tokens"], told["mem_fraction_static"]) == (
        "dummy",
        100000,
        0.9,
    )
    assert engine_arguments(fast, tmp_path)["max_total_tokens"] == 200000
    assert environment(slow, tmp_path)["CUDA_VISIBLE_DEVICES"] == "0"
    assert WorkerSpec.from_json(stock_spec(slow, 1).line) == slow


def test_a_share_of_the_multiprocessors_is_told_to_cuda(tmp_path: Path) -> None:
    """Through MPS' variable; on a CPU it is refused."""
    tables = tuple(
        RuntimeConfig(name=n, model_path="embedded", gpus=(0,), mem_fraction_static=0.4, sm_share=share)
        for n, share in (("most", 0.7), ("rest", 0.3))
    )
    config = ServerConfig(runtime=tables)
    plan = prepare(replace(resolve(config, ONE_GPU), databases={}), ONE_GPU)
    told = [environment(spec, tmp_path) for spec in plan.worker_specs("ipc:///unused")]
    assert [v["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] for v in told] == ["70", "30"]
    plain = tuple(replace(table, gpus=(), mem_fraction_static=None) for table in tables)
    with pytest.raises(ConfigError, match="sm_share"):
        resolve(ServerConfig(runtime=plain), Machine(gpus=(), cores=(0, 1)))


def test_a_comparison_belongs_to_its_file(on_gpu: Design, tmp_path: Path) -> None:
    """Results measured on other runtimes are told apart by the file's contents."""
    other = tmp_path / "pair.toml"
    other.write_text(Path(str(on_gpu.config)).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert replace(on_gpu, config=str(other)).as_dict() != on_gpu.as_dict()
    assert "config" not in replace(on_gpu, config=None).as_dict()
    assert "pair.toml" in on_gpu.runtimes


def test_the_lone_runtime_mixes(on_gpu: Design, tmp_path: Path) -> None:
    """Its file is valid on one GPU; mixed chunks have to be asked for at the start there."""
    config = read_config(str(Path(str(on_gpu.config)).parent / "gpu.toml"))
    plan = prepare(replace(resolve(config, ONE_GPU), databases={}), ONE_GPU)
    [spec] = plan.worker_specs("ipc:///unused")
    assert engine_arguments(spec, tmp_path)["enable_mixed_chunk"] is True
