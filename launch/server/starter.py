"""The port through which the launcher's processes start: on this machine (``local_starter.py``), or wherever
another starter puts them.

A process gets its instructions as one line of JSON on standard input.  The pipe then stays open as a
lifeline: when it closes, the launcher is gone; the controller also learns there, in such lines, which worker
ended (``engine/wire/worker_ended.py``).  On the descriptor ``--status-fd`` it reports stages as
JSON lines: ``{"stage": "loaded", "seconds": 21.3, "message": ""}``, ending in ``ready`` or ``failed``.  From
then on a line ``{"alive": true}`` comes every second, and ``{"notice": "…"}`` is a sentence for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A process to start.  ``label`` is what users read (``runtime cpu-0``), ``line`` its instructions,
    ``environment`` what is added to the launcher's own.  ``runtime`` is the name of a worker's runtime."""

    label: str
    command: tuple[str, ...]
    line: bytes
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""

    @property
    def log_name(self) -> str:
        """The name of the log file: the label without spaces."""
        return self.label.replace(" ", "-") + ".log"


@dataclass(frozen=True, slots=True)
class Family:
    """The processes of a server."""

    controller: ChildSpec
    workers: Sequence[ChildSpec]


class StartedProcess(Protocol):
    """A process that was started, with all that it starts itself."""

    @property
    def pid(self) -> int:
        """The id of the process where it runs."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        ...

    def write(self, line: bytes) -> None:
        """Write ``line`` to its standard input; one that has ended misses nothing."""
        ...

    def terminate(self) -> None:
        """Ask it to finish (SIGTERM); nothing if it has ended."""
        ...

    def kill(self) -> None:
        """End it and everything it started (SIGKILL), also when it has ended itself."""
        ...

    async def wait(self) -> int:
        """Wait for it to end and return its exit code."""
        ...

    async def gone(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until it and all it started have ended; tell whether they have."""
        ...


class Starter(Protocol):
    """Starts processes."""

    async def start(
        self, spec: ChildSpec, folder: Path, on_status: Callable[[bytes], None]
    ) -> StartedProcess:
        """Start ``spec`` and give it its instructions.

        What it prints is appended to ``folder / spec.log_name``, and its temporary files go to ``folder``,
        which the launcher removes.  ``on_status`` gets each line of its status, not before this returns.

        Raises:
            OSError: the program can't be started.
        """
        ...
