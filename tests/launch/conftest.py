"""Real servers shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.launch.real_server import CROWDED, RealServer, real_server


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """Two real runtimes under ``least_work`` and ``urgency``, for all who leave them as they are."""
    folder = tmp_path_factory.mktemp("pair")
    with real_server(
        folder, "--cpu-slots", "2", "--placement", "least_work", "--ordering", "urgency", *CROWDED
    ) as server:
        yield server
