"""One child process of the launcher: its progress until it is ready, and how it ended.

Where it runs is the starter's matter (``starter.py``).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from launch.server.logs import tail
from launch.server.starter import ChildSpec, StartedProcess, Starter


@dataclass(frozen=True, slots=True)
class ChildStage:
    """A stage that a child has reached, ``seconds`` after its start."""

    stage: str
    seconds: float = 0.0
    message: str = ""


class ChildError(Exception):
    """A child didn't start or end as it should; the message is a sentence and the last lines of its log."""


class Child:
    """A started process and the stages it has reached.  Create with :meth:`start`.

    ``signs_of_life`` counts those that it has sent since it is ready.
    """

    def __init__(
        self,
        spec: ChildSpec,
        folder: Path,
        report: Callable[[str, ChildStage], None],
        notify: Callable[[str], None],
        awaited: str,
    ) -> None:
        self.label = spec.label
        self._awaited = awaited
        self.log = folder / spec.log_name
        self._report = report
        self._notify = notify
        self.signs_of_life = 0
        self._stage = ""
        self._outcome: asyncio.Future[ChildStage] = asyncio.get_running_loop().create_future()
        self._process: StartedProcess

    @classmethod
    async def start(
        cls,
        starter: Starter,
        spec: ChildSpec,
        folder: Path,
        report: Callable[[str, ChildStage], None],
        notify: Callable[[str], None] = lambda notice: None,
        awaited: str = "ready",
    ) -> Child:
        """Start ``spec`` with ``starter``; its log and temporary files go to ``folder``, its stages to
        ``report``, what it says for the user to ``notify``.

        It counts as ready from the stage ``awaited``.

        Raises:
            OSError: the program can't be started.
        """
        child = cls(spec, folder, report, notify, awaited)
        child._process = await starter.start(spec, folder, child._read)
        child._note(ChildStage("spawned"))
        return child

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process hasn't ended."""
        return self._process.exit_code is None

    @property
    def ready(self) -> bool:
        """Whether it has been ready, though it may have ended since."""
        return self._outcome.done() and self._outcome.result().stage != "failed"

    @property
    def notice(self) -> str:
        """What it said for the user when it became ready; empty if nothing."""
        return self._outcome.result().message if self.ready else ""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write ``message`` as a line to the child's standard input; one that has ended misses nothing."""
        self._process.write(orjson.dumps(message) + b"\n")

    async def until_ready(self, seconds: float) -> None:
        """Wait until the child is ready.

        Raises:
            ChildError: it reported ``failed``, ended, or wasn't ready in ``seconds``.
        """
        ended = asyncio.create_task(self.wait())
        waits: set[asyncio.Future[Any]] = {ended, self._outcome}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():  # its last words may still be in the pipe
            await asyncio.wait({self._outcome}, timeout=1.0)
        ended.cancel()
        if not self._outcome.done():
            reason = (
                f"ended while starting ({self.ending})"
                if not self.running
                else f"was not ready after {seconds:.0f} s (last stage: {self._stage}); "
                "allow more with --start-timeout-seconds"
            )
        elif (reached := self._outcome.result()).stage == "failed":
            reason = f"failed to start: {reached.message}"
        else:
            return
        raise self.error(reason)

    def error(self, reason: str) -> ChildError:
        """Return the error that the child ``reason``, with the end of its log."""
        return ChildError("\n".join([f"{self.label} {reason}", *tail(self.log)]))

    async def wait(self) -> int:
        """Wait for the process to end and return its exit code (negative: the signal)."""
        return await self._process.wait()

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self._process.exit_code
        if code is None:
            return "still running"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def terminate(self) -> None:
        """Ask the process to finish (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process and everything it started (SIGKILL), also when it has ended itself."""
        self._process.kill()

    async def gone(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until the process and all it started have ended; tell whether they have."""
        return await self._process.gone(seconds)

    def _read(self, line: bytes) -> None:
        """Note what a line of the process's status says: any line that isn't JSON says nothing."""
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            report = orjson.loads(line)
            self.signs_of_life += "alive" in report
            if "notice" in report:
                self._notify(str(report["notice"]))
            message = str(report.get("message", ""))
            self._note(ChildStage(str(report["stage"]), float(report.get("seconds", 0.0)), message))

    def _note(self, reached: ChildStage) -> None:
        if reached.stage == self._stage:
            return
        self._stage = reached.stage
        self._report(self.label, reached)
        if reached.stage in (self._awaited, "ready", "failed") and not self._outcome.done():
            self._outcome.set_result(reached)
