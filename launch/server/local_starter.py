"""Starts processes on this machine, each as the leader of a session of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from launch.server import leftovers
from launch.server.starter import ChildSpec

_POLL_SECONDS = 0.05


class LocalProcess:
    """A process of this machine; implements ``launch.server.starter.StartedProcess``.

    Made by :class:`LocalStarter`.
    """

    def __init__(self, process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
        self._process = process
        self._reading = reading
        self._family: set[psutil.Process] = set()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._process.returncode

    def write(self, line: bytes) -> None:
        """Write ``line`` to its standard input; one that has ended misses nothing."""
        if self.exit_code is None and self._process.stdin is not None:
            self._process.stdin.write(line)

    def terminate(self) -> None:
        """Ask it to finish (SIGTERM); nothing if it has ended."""
        if self.exit_code is None:
            self._family |= _family(self.pid)
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it and everything it started (SIGKILL), also when it has ended itself."""
        self._family |= _family(self.pid)
        alive = [process for process in self._family if _alive(process)]
        # What SGLang keeps in shared memory outlives a process that is killed.
        shared = {inode for process in alive for inode in leftovers.mapped_inodes(process.pid)}
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        leftovers.remove(shared)

    async def wait(self) -> int:
        """Wait for it to end and return its exit code."""
        return await self._process.wait()

    async def gone(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until it and all it started have ended; tell whether they have."""
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


class LocalStarter:
    """Starts processes on this machine; implements ``launch.server.starter.Starter``."""

    async def start(self, spec: ChildSpec, folder: Path, on_status: Callable[[bytes], None]) -> LocalProcess:
        """Start ``spec``, as the port says.

        Raises:
            OSError: the program can't be started.
        """
        read_end, write_end = os.pipe()
        try:
            with (folder / spec.log_name).open("ab") as log:
                process = await asyncio.create_subprocess_exec(
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
        started = LocalProcess(process, asyncio.create_task(_read_lines(read_end, on_status)))
        started.write(spec.line + b"\n")
        return started


async def _read_lines(descriptor: int, on_line: Callable[[bytes], None]) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        async for line in reader:
            on_line(line)
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
