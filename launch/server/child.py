"""One child process of the launcher: its start, its progress and its end.

A child gets its instructions as one line of JSON on standard input.  The pipe then stays open as a
lifeline: when it closes, the launcher is gone; the controller also learns there, in such lines, which worker
died (``{"died": 4711}``).  On the descriptor ``--status-fd`` it reports stages as
JSON lines: ``{"stage": "loaded", "seconds": 21.3, "message": ""}``, ending in ``ready`` or ``failed``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psutil

from launch.server import leftovers
from launch.server.logs import tail

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A process to start.  ``label`` is what users read (``runtime cpu-0``), ``line`` its instructions,
    ``environment`` what is added to the launcher's own."""

    label: str
    command: tuple[str, ...]
    line: bytes
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log_name(self) -> str:
        """The name of the log file: the label without spaces."""
        return self.label.replace(" ", "-") + ".log"


@dataclass(frozen=True, slots=True)
class Status:
    """A stage that a child has reached, ``seconds`` after its start."""

    stage: str
    seconds: float = 0.0
    message: str = ""


class ChildError(Exception):
    """A child didn't start or end as it should; the message is a sentence and the last lines of its log."""


class Child:
    """A started process, leader of its own session.  Create with :meth:`start`."""

    def __init__(
        self, spec: ChildSpec, folder: Path, report: Callable[[str, Status], None], awaited: str
    ) -> None:
        self.label = spec.label
        self._awaited = awaited
        self.log = folder / spec.log_name
        self._report = report
        self._stage = ""
        self._outcome: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._family: set[psutil.Process] = set()

    @classmethod
    async def start(
        cls, spec: ChildSpec, folder: Path, report: Callable[[str, Status], None], awaited: str = "ready"
    ) -> Child:
        """Start ``spec``; its log and temporary files go to ``folder``, its stages to ``report``.

        It counts as ready from the stage ``awaited``.

        Raises:
            OSError: the program can't be started.
        """
        child = cls(spec, folder, report, awaited)
        read_end, write_end = os.pipe()
        try:
            with child.log.open("ab") as log:
                child._process = await asyncio.create_subprocess_exec(
                    *spec.command,
                    "--status-fd",
                    str(write_end),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(write_end,),
                    start_new_session=True,
                    env={**os.environ, "TMPDIR": str(folder), **spec.environment},
                )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        child._reading = asyncio.create_task(child._read(read_end))
        child._note(Status("spawned"))
        assert child._process.stdin is not None
        child._process.stdin.write(spec.line + b"\n")
        return child

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process hasn't ended."""
        return self._process.returncode is None

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write ``message`` as a line to the child's standard input; one that has ended misses nothing."""
        if self.running and self._process.stdin is not None:
            self._process.stdin.write(orjson.dumps(message) + b"\n")

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
        elif (status := self._outcome.result()).stage == "failed":
            reason = f"failed to start: {status.message}"
        else:
            return
        raise ChildError("\n".join([f"{self.label} {reason}", *tail(self.log)]))

    async def wait(self) -> int:
        """Wait for the process to end and return its exit code (negative: the signal)."""
        return await self._process.wait()

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self._process.returncode
        if code is None:
            return "still running"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def terminate(self) -> None:
        """Ask the process to finish (SIGTERM)."""
        if self.running:
            self._family |= _family(self._process.pid)
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End the process and everything it started (SIGKILL), also when it has ended itself."""
        self._family |= _family(self._process.pid)
        alive = [process for process in self._family if _alive(process)]
        # What SGLang keeps in shared memory outlives a process that is killed.
        shared = {inode for process in alive for inode in leftovers.mapped_inodes(process.pid)}
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        leftovers.remove(shared)

    async def gone(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until the process and all it started have ended; tell whether they have."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
                while any(_alive(process) for process in self._family):  # noqa: ASYNC110 (not our children)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        finally:
            self._reading.cancel()
        return True

    def _note(self, status: Status) -> None:
        if status.stage == self._stage:
            return
        self._stage = status.stage
        self._report(self.label, status)
        if status.stage in (self._awaited, "ready", "failed") and not self._outcome.done():
            self._outcome.set_result(status)

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            async for line in reader:
                with suppress(ValueError, KeyError, TypeError, AttributeError):
                    report = orjson.loads(line)
                    message = str(report.get("message", ""))
                    self._note(Status(str(report["stage"]), float(report.get("seconds", 0.0)), message))
        finally:
            transport.close()


def _family(leader: int) -> set[psutil.Process]:
    """The session of ``leader``, which outlives it, and its descendants in other sessions."""
    members = {process for process in psutil.process_iter() if _session(process.pid) == leader}
    return members.union(*(_descendants(process) for process in members))


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _alive(process: psutil.Process) -> bool:
    """A zombie has ended: it waits for its parent, which may never look."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
