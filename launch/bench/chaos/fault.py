"""A fault: how it is injected, who notices it, how it ends and when all is as before."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from launch.bench.chaos.chaos_clients import ChaosClients, ClientRequest
from launch.bench.chaos.chaos_server import ChaosServer
from launch.bench.chaos.link_proxy import LinkProxy
from launch.bench.databases.postgresql_server import PostgresqlServer

CONTROLLER_LOST = frozenset({"controller_lost", "cut off"})
"""Workflows don't outlive their controller: these errors are the clear word that it died."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What a fault is injected into.  ``faults`` is the folder of the files that simulated runtimes heed.

    ``model`` is the folder of a model that may be spoilt, where runtimes are simulated; ``database`` is the
    server of the other database, if there is one; ``proxies`` stand before the runtimes that join through
    one.
    """

    server: ChaosServer
    clients: ChaosClients
    faults: Path
    model: Path | None = None
    database: PostgresqlServer | None = None
    proxies: Mapping[str, LinkProxy] = field(default_factory=dict)

    def answered_since(self, moment: float, kind: str) -> list[ClientRequest]:
        """Return the answered calls or questions that began after ``moment``."""
        return [
            one
            for one in self.clients.seen()
            if one.kind == kind and one.began > moment and one.ended and one.answered
        ]


class Fault(ABC):
    """One injection.  Limits in seconds, from the injection to noticing, from the fault's end to recovery.

    ``STAND``: the server that it needs.  ``EXCUSES``: the codes with which something accepted may end.
    ``ENDS_SERVER``: the server isn't there afterwards.  ``FRESH``: where it is repeated, each time on a new
    server, since restarts are paced by how often a process has died.
    """

    STAND: ClassVar[str] = "simulated"
    NOTICED_WITHIN: ClassVar[float] = 10.0
    RECOVERED_WITHIN: ClassVar[float] = 60.0
    EXCUSES: ClassVar[frozenset[str]] = frozenset()
    ENDS_SERVER: ClassVar[bool] = False
    FRESH: ClassVar[bool] = False

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.server = stand.server

    @abstractmethod
    def inject(self) -> None:
        """Do the harm."""

    @abstractmethod
    def noticed(self) -> bool:
        """Whether somebody has noticed."""

    def end(self) -> bool:
        """End the fault; return false where there is nothing to end: it is over, or the server's to end."""
        return False

    def recovered(self) -> bool:
        """Whether the server is as it was before."""
        return self.server.ready()


class OnWorker(Fault):
    """A fault of the first runtime's processes."""

    RUNTIME: ClassVar[int] = 0

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand)
        self.name = list(self.server.workers())[self.RUNTIME]
        self.pid = int(self.server.workers()[self.name]["pid"])

    def noticed(self) -> bool:
        """Whether the controller sends it nothing more."""
        workers = self.server.workers()
        worker = workers.get(self.name, {})
        return bool(workers) and (worker.get("status") != "ready" or worker.get("pid") != self.pid)

    def of_sglang(self, title: str) -> int:
        """Return the process of SGLang's below this worker with this title."""
        process = self.server.below(self.pid, title)
        assert process is not None, f"{self.name} has no {title}"
        return process.pid


class OnController(Fault):
    """A fault of the controller's process."""

    EXCUSES = CONTROLLER_LOST

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand)
        controller = self.server.controller()
        assert controller is not None
        self.pid = controller.pid
        self._said = self.server.said().count("controller died")

    def noticed(self) -> bool:
        """Whether the launcher says that it died."""
        return self.server.said().count("controller died") > self._said

    def recovered(self) -> bool:
        """Whether another one takes work and has all runtimes."""
        controller = self.server.controller()
        return controller is not None and controller.pid != self.pid and super().recovered()


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may just have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
