"""The worker process: it starts one runtime, serves it over the link and ends with nothing left behind.

``python -m engine.worker [--status-fd N]`` reads a :class:`engine.wire.worker_spec.WorkerSpec` as one line of
JSON from standard input, which then stays open as a lifeline: when it closes, the launcher is gone and the
worker ends, once the controller has finished what it accepted.  Progress goes to the status descriptor as
JSON lines (``stage``, ``seconds`` since the start of the process, ``message``); the stages are spawned,
imported, loaded, hook_live, ready or failed.

Exit codes: 0 after a shutdown, a signal, a lost lifeline or controller; 1 after a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from engine.sglang import cpu
from engine.wire.dealer_link import DealerLink
from engine.wire.messages import Hello, WireMessage
from engine.wire.shared_folder import SharedFolder
from engine.wire.status_writer import StatusWriter
from engine.wire.worker_spec import WorkerSpec
from engine.worker.descendants import die_with_parent, end_children
from engine.worker.launcher_line import LauncherLine, read_spec
from engine.worker.lease import Lease
from engine.worker.link_detour import via
from engine.worker.own_log import WORKER, log_as
from engine.worker.runtime_interface import Runtime, RuntimeInfo, StartError
from engine.worker.self_calibration import calibrated, configure
from engine.worker.worker_protocol import Ending, WorkerProtocol
from sched.errors import ConfigError

# SGLang's child processes import this module before anything of SGLang's.
if __name__ == "__mp_main__":
    die_with_parent()
    cpu.install_if_asked()

logger = logging.getLogger(WORKER)  # as the main module it would have another name

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _stop_start(signum: int, _frame: object) -> None:
    raise SystemExit(f"stopped by {signal.Signals(signum).name}")


def _load_runtime(spec: WorkerSpec, run_dir: Path, status: StatusWriter) -> Runtime:
    if spec.simulated:
        from engine.worker.simulated_runtime import SimulatedRuntime

        status("imported")
        return SimulatedRuntime(spec, run_dir)
    _check_model(spec.model_path)
    from engine.sglang.engine_arguments import environment

    os.environ.update(environment(spec, run_dir))
    tempfile.tempdir = None  # it was found before TMPDIR was changed
    if spec.cpu_core is not None:
        os.sched_setaffinity(0, {spec.cpu_core})
    cpu.install_if_asked()
    from engine.sglang.sglang_runtime import SglangRuntime, import_engine

    import_engine()
    status("imported")
    return SglangRuntime(spec, run_dir)


def _check_model(model_path: str) -> None:
    path = Path(model_path)
    if (path.is_absolute() or path.exists()) and not (path / "config.json").is_file():
        raise StartError(f"model_path {path} has no config.json: give the folder of a model")


async def _serve(spec: WorkerSpec, run_dir: Path, status: StatusWriter, launcher: LauncherLine) -> Ending:
    loop, alive = asyncio.get_running_loop(), None
    runtime = _load_runtime(spec, run_dir, status)
    status("loaded")
    try:
        proof = runtime.prove()
        status("hook_live")
        info = await runtime.open()
        hello = _hello(spec, runtime, info, proof)
        # Ranks that decide on their own could decide unlike each other, and then wait for each other.
        lease = Lease(run_dir) if len(spec.gpu_ids) <= 1 else None
        protocol, link = _connect(spec, runtime, hello, lease)
        try:
            if await protocol.until_stopped(_prepare(spec, runtime, info, protocol)):
                status("ready")
                alive = asyncio.create_task(status.keep_alive(), name="alive")
                launcher_lost = partial(loop.call_soon_threadsafe, protocol.heartbeats.launcher_lost)
                launcher.when_lost(launcher_lost, spec.drain_seconds)
            return await protocol.run()
        finally:
            if alive is not None:
                alive.cancel()
            link.close()
    finally:
        runtime.shutdown()


async def _prepare(spec: WorkerSpec, runtime: Runtime, info: RuntimeInfo, protocol: WorkerProtocol) -> None:
    """Warm the runtime up, measure and configure it, and have it introduced with what came of it.

    Raises:
        RuntimeError: the prefill budget asked for can't be set.
    """
    await runtime.warm_up()
    calibration = await calibrated(runtime, spec, info)
    budget = await configure(runtime, spec, calibration)
    protocol.heartbeats.measured(asdict(calibration.speed) if calibration else {}, budget)


def _connect(
    spec: WorkerSpec, runtime: Runtime, hello: Hello, lease: Lease | None
) -> tuple[WorkerProtocol, DealerLink]:
    loop = asyncio.get_running_loop()

    def hand_over(message: WireMessage) -> None:
        loop.call_soon_threadsafe(protocol.receive, message)

    def cut() -> None:
        loop.call_soon_threadsafe(protocol.link_cut)

    link = DealerLink(via(spec.name, spec.endpoint), spec.name, hand_over, spec.keys, cut)
    protocol = WorkerProtocol(spec, hello, runtime, link.send, lease=lease)
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, protocol.stop, Ending(f"stopped by {signum.name}"))
    # SGLang's processes send it when they fail.
    broken = Ending("a process of the runtime ended unexpectedly", failed=True)
    loop.add_signal_handler(signal.SIGQUIT, protocol.stop, broken)
    return protocol, link


def _hello(spec: WorkerSpec, runtime: Runtime, info: RuntimeInfo, proof: Sequence[str]) -> Hello:
    return Hello(
        runtime=spec.name,
        pid=os.getpid(),
        model_path=spec.model_path,
        tokenizer_hash=info.tokenizer_hash,
        context_length=info.context_length,
        max_total_tokens=info.max_total_tokens,
        max_running_requests=info.max_running_requests,
        device=info.device,
        engine_version=info.engine_version,
        hook_proof=list(proof),
        simulated=runtime.simulated,
        slowdown=spec.slowdown,
        overlap=info.overlap,
        chunk_tokens=info.chunk_tokens,
        mixed=info.mixed,
        tool_call_parser=info.tool_call_parser,
    )


def _run(status: StatusWriter) -> Ending:
    try:
        spec = read_spec()
    except StartError as error:
        return Ending(str(error), failed=True)
    log_as(spec.name, spec.log_level)
    status("spawned")
    for signum in _SIGNALS:
        signal.signal(signum, _stop_start)
    launcher, folder = LauncherLine(), SharedFolder(spec.shared_folder)
    run_dir = Path(tempfile.mkdtemp(prefix="w-"))
    try:
        return asyncio.run(_serve(spec, run_dir, status, launcher))
    except (StartError, ConfigError) as error:
        return Ending(str(error), failed=True)
    except SystemExit as stopped:
        return Ending(str(stopped))
    except Exception as error:
        logger.exception("the worker failed")
        return Ending(f"{type(error).__name__}: {error}", failed=True)
    finally:
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)  # from SGLang's processes as they end
        end_children()
        shutil.rmtree(run_dir, ignore_errors=True)
        if launcher.lost:
            folder.leave()


def main() -> None:
    """Run the worker; it never returns."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker", description=__doc__)
    parser.add_argument("--status-fd", type=int, help="descriptor for progress as JSON lines")
    status = StatusWriter(parser.parse_args().status_fd)
    logging.getLogger("sglang").setLevel(logging.WARNING)
    log_as("worker", "info")  # until its instructions say more
    ending = _run(status)
    if ending.failed:
        status("failed", ending.reason)
    logger.log(logging.ERROR if ending.failed else logging.INFO, "ended: %s", ending.reason)
    sys.stderr.flush()
    # Not sys.exit: SGLang's exit handlers look for the processes that were just ended.
    os._exit(1 if ending.failed else 0)


if __name__ == "__main__":
    main()
