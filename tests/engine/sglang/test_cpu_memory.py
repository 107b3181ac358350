"""The memory that an engine may take without a GPU grows with its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.sglang.cpu_memory import memory_fraction

TOTAL = 1_000_000


@pytest.mark.parametrize(
    ("sizes", "config", "fraction"),
    [
        ((), {}, 0.1),
        ((10_000,), {"dtype": "float32"}, 0.13),
        ((10_000,), {"torch_dtype": "bfloat16"}, 0.16),
        ((10_000, 30_000), {"dtype": "float16"}, 0.34),
        ((900_000,), {}, 0.7),
        ((10_000,), None, 0.13),
        ((10_000,), [], 0.13),
    ],
)
def test_room_for_weights_and_cache(
    tmp_path: Path, sizes: tuple[int, ...], config: object, fraction: float
) -> None:
    """Three times the weights in float32 above the least share; at most seven tenths."""
    for number, size in enumerate(sizes):
        (tmp_path / f"model-{number}.safetensors").write_bytes(b"0" * size)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert memory_fraction(str(tmp_path), TOTAL) == pytest.approx(fraction)


def test_a_folder_that_is_not_there_has_the_least() -> None:
    """SGLang itself says what is wrong with it."""
    assert memory_fraction("/nowhere", TOTAL) == 0.1
