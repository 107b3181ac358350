"""Clients that ask a server, and what becomes of an answer that can't be kept."""

from __future__ import annotations

import pytest

from launch.bench.accuracy.accuracy_cells import AccuracyCell, Load
from launch.bench.accuracy.asking import Asking, ask_all
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.given_answer import GivenAnswer
from tests.launch.bench.accuracy.scripted_server import scripted_server
from tests.waiting import GUARD_SECONDS


@pytest.mark.parametrize("load", [Load("clients", 2), Load("rate", 1000.0)])
async def test_a_full_disk_ends_the_asking(load: Load) -> None:
    """With its own error, once, whatever the number of clients."""
    questions = [
        BenchmarkQuestion(id=str(number), database="bakery", question="How many?") for number in range(4)
    ]
    asking = Asking(slo_seconds=60.0, timeout_seconds=GUARD_SECONDS)

    def full(_: GivenAnswer) -> None:
        raise OSError(28, "No space left on device", "answers.jsonl")

    async with scripted_server({"How many?": "SELECT 1"}) as (url, *_):
        with pytest.raises(OSError, match="No space left") as caught:
            await ask_all(url, AccuracyCell("here", None, load), questions, asking, full)
    assert caught.value.filename == "answers.jsonl"
