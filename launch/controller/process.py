"""The controller process: HTTP in front, workflows and the core in the middle, the workers behind.

``python -m launch.controller --status-fd N`` is started by the launcher, which writes a
``ControllerSpec`` as one line to its standard input and keeps that open: its end means that the
launcher is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop
from pydantic import ValidationError

from engine.wire.shared_folder import SharedFolder
from engine.wire.status_writer import StatusWriter
from launch.api.http_protocol import PatientProtocol
from launch.checks import listen
from launch.controller.cleared_logs import log_to_stderr
from launch.controller.lifeline import follow, read_instructions
from launch.controller.parts import Parts
from launch.served_databases import complaints
from launch.server.config import ControllerSpec
from launch.server.model_folders import declared_context
from plugins.text2sql.databases.address import cleared
from sched.errors import SluiceError

logger = logging.getLogger(__name__)

_LAST_RESPONSES_SECONDS = 5
_GC_THRESHOLDS = (50_000, 20, 100)
"""At Python's own, looking at 5,000 waiting calls again and again takes several per cent of the time."""


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: this process has one owner of its end."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def _serve(spec: ControllerSpec, status: StatusWriter) -> None:
    """Serve until SIGTERM or until the launcher is gone, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    folder = SharedFolder(spec.shared_folder)
    listener = listen(spec.config.host, spec.config.port)
    parts = Parts.build(spec, status.notice)
    gc.freeze()
    lifeline = asyncio.create_task(follow(parts.driver.watch.worker_ended), name="lifeline")
    lifeline.add_done_callback(lambda _: stop.set())
    # Refused within seconds where the model's files say its context; its runtimes say it in the end.
    await parts.check_prompts(None if spec.config.simulated else declared_context(spec.model_path))
    server = _server(parts)
    parts.start()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    alive = asyncio.create_task(status.keep_alive(), name="alive")
    try:
        status("listening")
        stopping = asyncio.create_task(stop.wait())
        complete = asyncio.create_task(parts.driver.watch.complete.wait())
        ends = {serving, stopping}
        await asyncio.wait(ends | {complete}, return_when=asyncio.FIRST_COMPLETED)
        if complete.done():
            await parts.check_prompts(parts.driver.workers.context_length)
            status("ready", complaints(parts.databases))
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await parts.runner.drain(spec.config.drain_seconds)
    finally:
        launcher_gone = lifeline.done()
        if launcher_gone:  # which would end the workers
            parts.driver.watch.dismiss()
        lifeline.cancel()
        alive.cancel()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        await parts.close()
        if launcher_gone:
            folder.leave()


def _server(parts: Parts) -> _Server:
    return _Server(
        uvicorn.Config(
            parts.app,
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            timeout_graceful_shutdown=_LAST_RESPONSES_SECONDS,
        )
    )


def main() -> int:
    """Run the controller and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.controller", description=__doc__)
    parser.add_argument("--status-fd", type=int, required=True, help="where stages are reported")
    status = StatusWriter(parser.parse_args().status_fd)
    try:
        spec = ControllerSpec.from_json(read_instructions())
    except ValidationError as error:
        # Without the input, in which passwords may stand.
        status("failed", "; ".join(f"{each['loc']}: {each['msg']}" for each in error.errors()))
        return 1
    return run(spec, status)


def run(spec: ControllerSpec, status: StatusWriter) -> int:
    """Serve as ``spec`` says and return the exit code.

    Neither the log nor the reason of a failure shows a password of a database's address.
    """
    addresses = tuple(spec.config.databases.values())
    log_to_stderr(spec.config.log_level, addresses)
    sys.path.append(spec.policy_path)
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        uvloop.run(_serve(spec, status))
    except (SluiceError, OSError, TypeError, ValueError) as error:
        status("failed", cleared(str(error), addresses))
        return 1
    except Exception as error:
        logger.exception("the controller failed")
        status("failed", cleared(f"{type(error).__name__}: {error}", addresses))
        return 1
    return 0
