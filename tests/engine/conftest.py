"""Links, a controller's end, simulated workers and one real one, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.wire.dealer_link import DealerLink
from engine.wire.link import RouterLink
from engine.wire.link_keys import ControllerKeys
from tests.engine.fake_controller import FakeController
from tests.engine.real_worker import RealWorker, RealWorkers
from tests.engine.wire.link_ends import Inbox
from tests.engine.worker_process import StartWorker, WorkerProcess, simulated_spec, started


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


@pytest.fixture
def controller_keys() -> ControllerKeys | None:
    """None are needed on a socket of this machine."""
    return None


@pytest.fixture
async def router(endpoint: str, controller_keys: ControllerKeys | None) -> AsyncIterator[RouterLink]:
    link = RouterLink(endpoint, controller_keys)
    yield link
    link.close()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def dealer(endpoint: str, inbox: Inbox) -> Iterator[DealerLink]:
    link = DealerLink(endpoint, "w", inbox)
    yield link
    link.close()


@pytest.fixture
async def controller(endpoint: str) -> AsyncIterator[FakeController]:
    fake = FakeController(endpoint)
    yield fake
    await fake.close()


@pytest.fixture
def worker(endpoint: str, tmp_path: Path) -> StartWorker:
    def start(**fields: Any) -> AbstractAsyncContextManager[WorkerProcess]:
        return started(WorkerProcess(simulated_spec(endpoint, **fields), tmp_path))

    return start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealWorkers]:
    workers = RealWorkers(tmp_path_factory.mktemp("real"))
    yield workers
    await workers.close()


@pytest_asyncio.fixture(loop_scope="session")
async def real(real_workers: RealWorkers) -> RealWorker:
    """A worker with a real SGLang runtime, ready, whose controller is whoever listens at its endpoint."""
    return await real_workers.ready()
