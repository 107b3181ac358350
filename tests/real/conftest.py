"""Real servers shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.real_server import CROWDED, RealServer, real_server
from tests.waiting import eventually


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """Two real runtimes under ``least_work`` and ``urgency``, for all who leave them as they are.

    At the end SIGTERM ends the server with exit code 0, and no process, socket or temporary file is left.
    """
    folder = tmp_path_factory.mktemp("pair")
    arguments = ("--cpu-slots", "2", "--placement", "least_work", "--ordering", "urgency", *CROWDED)
    with real_server(folder, *arguments) as server:
        yield server
        # Launcher, controller, and two workers with two processes of SGLang's each.
        assert len(server.processes()) >= 8
        assert server.stop() == 0
        assert eventually(lambda: not server.survivors()), server.survivors()
        assert list(server.temporary.rglob("*")) == []
