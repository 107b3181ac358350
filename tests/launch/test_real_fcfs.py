"""One real runtime under ``fcfs``: its order, and its end, which leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.launch.real_queue import LAST_TOKENS, RELAXED, begun_order
from tests.launch.real_server import CROWDED, RealServer, real_server
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def fcfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """One real runtime under ``fcfs``."""
    folder = tmp_path_factory.mktemp("fcfs")
    with real_server(folder, "--cpu-slots", "1", "--ordering", "fcfs", *CROWDED) as server:
        yield server


def test_fcfs_keeps_the_order_inside_sglang(fcfs: RealServer) -> None:
    """Under ``fcfs`` even the most urgent call is begun last."""
    order, _ = begun_order(fcfs, "fcfs", 1.0)
    assert len(order) == RELAXED + 1
    assert order[-1] == LAST_TOKENS


def test_shutdown_leaves_nothing(fcfs: RealServer) -> None:
    """SIGTERM ends the server with exit code 0; no process, socket or temporary file is left."""
    assert len(fcfs.family) >= 5  # launcher, controller, worker, SGLang's scheduler and detokenizer
    assert fcfs.stop() == 0
    assert eventually(lambda: not fcfs.survivors()), fcfs.survivors()
    assert list(fcfs.temporary.rglob("*")) == []
