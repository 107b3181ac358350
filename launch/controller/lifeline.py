"""The controller's line to the launcher: its standard input, open as long as the launcher lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import orjson

from engine.wire.worker_ended import WorkerEnded

logger = logging.getLogger(__name__)

STDIN = 0


def read_instructions() -> bytes:
    """Return the first line, and nothing of what follows it."""
    with open(STDIN, "rb", buffering=0, closefd=False) as stdin:
        return stdin.readline()


async def follow(worker_ended: Callable[[WorkerEnded], None]) -> None:
    """Report every worker's end that the launcher tells of; return when the launcher is gone."""
    reader = asyncio.StreamReader()
    stdin = open(STDIN, "rb", buffering=0, closefd=False)  # noqa: ASYNC230, SIM115 (the transport closes it)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), stdin
    )
    try:
        async for line in reader:
            try:
                worker_ended(WorkerEnded.from_message(orjson.loads(line)))
            except (ValueError, KeyError, TypeError):
                logger.warning("the launcher said %r, which means nothing here", line)
    finally:
        transport.close()
