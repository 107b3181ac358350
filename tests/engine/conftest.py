"""Links, a controller's end and simulated workers, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from engine.link import DealerLink, RouterLink
from tests.engine.link_ends import Inbox
from tests.engine.worker_process import (
    FakeController,
    StartWorker,
    WorkerProcess,
    simulated_spec,
    started,
)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


@pytest.fixture
async def router(endpoint: str) -> AsyncIterator[RouterLink]:
    link = RouterLink(endpoint)
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
