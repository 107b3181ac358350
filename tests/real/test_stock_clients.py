"""SGLang's own clients against our port, unchanged, over real runtimes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.real.real_server import RealServer
from tests.real.stock_client import run_client
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

CHOICES = {" SELECT", " FROM orders", " count"}
"""Those of ``frontend_program.py``, which imports SGLang."""


def test_sglangs_frontend_language_works_unchanged(pair: RealServer) -> None:
    """Generation, forks, a choice by log probabilities, constraints, batches, streams and the cache calls."""
    out = json.loads(run_client("tests.real.frontend_program", pair.url).splitlines()[-1])
    assert out["choice"] in CHOICES
    assert set(out["batch"]) <= CHOICES
    assert len(out["choice_logprobs"]) == len(CHOICES)
    assert re.fullmatch(r"[0-9]+", out["number"])
    assert out["streamed"] == out["number"]
    assert len(out["output_top_logprobs"]) == len(out["output_token_logprobs"])
    assert all(len(top) == 2 for top in out["output_top_logprobs"])
    assert out["version"].startswith("0.")


def test_sglangs_bench_serving_works_unchanged(pair: RealServer, tmp_path: Path) -> None:
    """It finds the model by itself, flushes the caches after its warm-up, and counts every token."""
    assert eventually(pair.idle)
    result = tmp_path / "result.jsonl"
    run_client(
        "sglang.bench_serving",
        *("--backend", "sglang", "--host", "127.0.0.1", "--port", str(pair.port)),
        *("--dataset-name", "random-ids", "--random-input-len", "64", "--random-output-len", "8"),
        *("--random-range-ratio", "1", "--num-prompts", "8", "--request-rate", "8", "--flush-cache"),
        *("--return-logprob", "--top-logprobs-num", "2", "--output-file", str(result)),
    )
    (report,) = [json.loads(line) for line in result.read_text().splitlines()]
    assert report["completed"] == 8
    assert report["total_output_tokens"] == 8 * 8
    assert report["mean_ttft_ms"] > 0
