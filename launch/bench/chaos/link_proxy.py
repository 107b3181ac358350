"""A TCP proxy between a worker and its controller that can be cut or stand still: the network as a fault."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launch.checks import LINK_HOST

_PART = 1 << 16
_START_SECONDS = 30.0


class LinkProxy:
    """Passes connections at ``port`` on to ``target``, a port of this machine, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._cut = False
        self._passing: asyncio.Event
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link proxy", daemon=True)
        self._thread.start()
        self._listens.wait(_START_SECONDS)

    @property
    def endpoint(self) -> str:
        """Where it listens, as ZMQ writes it."""
        return f"tcp://{LINK_HOST}:{self.port}"

    def stall(self) -> None:
        """Keep all connections, also new ones, and pass nothing on."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def cut(self) -> None:
        """Close all connections, and every new one at once."""
        self._loop.call_soon_threadsafe(self._set_cut)

    def restore(self) -> None:
        """Pass everything on again, what was held back first."""
        self._cut = False
        self._loop.call_soon_threadsafe(self._passing.set)

    def close(self) -> None:
        """Close everything and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)

    def _set_cut(self) -> None:
        self._cut = True
        self._close_all()

    def _close_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._passing = asyncio.Event()
        self._passing.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, LINK_HOST, 0))
        self.port = int(server.sockets[0].getsockname()[1])
        self._listens.set()
        self._loop.run_forever()
        server.close()
        self._close_all()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        ends = {writer}
        try:
            if not self._cut:
                beyond, onward = await asyncio.open_connection(LINK_HOST, self._target)
                ends.add(onward)
                self._writers.add(onward)
                await asyncio.gather(self._pump(reader, onward), self._pump(beyond, writer))
        except OSError:
            pass  # one end is gone, and the other one must know
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        part = b"?"
        while part:
            part = await reader.read(_PART)
            await self._passing.wait()
            writer.write(part)
            with suppress(ConnectionError):
                await writer.drain()
        raise ConnectionError("one end closed its connection")


@contextmanager
def link_proxy(target: int) -> Iterator[LinkProxy]:
    """Have a proxy of ``target`` and close it on leaving."""
    proxy = LinkProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
