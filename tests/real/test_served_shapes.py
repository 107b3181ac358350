"""A model without weights, cut down to what a CPU serves, behind the launcher; and what the probe says."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from engine.sglang import cpu
from launch.offline.shapes import SHAPES, write
from launch.server.sources import read_config
from tests.real.real_server import ROOT, real_server
from tests.waiting import GUARD_SECONDS

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]


def test_transformers_reads_every_shape(tmp_path: Path) -> None:
    """As the kind of model that it is."""
    cpu.install()  # transformers looks into torchvision, too
    from transformers import AutoConfig

    for name, shape in SHAPES.items():
        config = AutoConfig.from_pretrained(write(tmp_path, name))
        assert (config.model_type, config.hidden_size) == (shape["model_type"], shape["hidden_size"])


def test_a_model_without_weights_is_served(tmp_path: Path) -> None:
    """SGLang makes random ones, and the tokenizer turns what they say into text."""
    model = write(tmp_path, "qwen2.5-coder-1.5b", layers=2, vocabulary=2048)
    flags = (
        "--model-path",
        str(model),
        "--cpu-slots",
        "1",
        "--no-calibration",
        "--",
        "--load-format",
        "dummy",
    )
    with real_server(tmp_path, *flags) as server, server.client() as client:
        answer = client.post(
            "/generate",
            json={"text": "SELECT", "sampling_params": {"max_new_tokens": 4, "ignore_eos": True}},
        )
        assert answer.is_success, answer.text
        assert answer.json()["meta_info"]["completion_tokens"] == 4
        assert server.workers()[0]["model_path"] == str(model)


def test_the_probe_finds_our_hooks() -> None:
    """In the SGLang that is installed, from the checkout."""
    command = [sys.executable, "-W", "ignore", "-m", "engine.sglang.probe"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GUARD_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the hooks are in order" in done.stdout


@pytest.mark.parametrize("file", sorted(Path("launch/offline").glob("*.toml")), ids=lambda file: file.name)
def test_sglang_knows_the_arguments_of_the_shipped_files(file: Path) -> None:
    """Of each runtime; one that it doesn't know would only be found on the GPU."""
    cpu.install()
    from sglang.srt.server_args import ServerArgs

    config = read_config(str(file))
    told = {*config.engine_args, *(name for table in config.runtime for name in table.args)}
    assert told
    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    assert told <= {action.dest for action in parser._actions}
