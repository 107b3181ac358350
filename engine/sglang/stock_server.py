"""A stock SGLang server with a worker's arguments and without our order: what measurements compare with.

``python -m engine.sglang.stock_server --port N`` reads a ``WorkerSpec`` as one line of JSON from standard
input, which then stays open as a lifeline, and serves SGLang's HTTP API on 127.0.0.1 until it is killed or
the line closes. Of ours it has the cures for CPUs (imports that SGLang can't do without) and, where the spec
asks for one, the slowdown.  Its answers tell the spec's name as ``weight_version``, by which a client behind
a router sees who answered.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from engine.sglang import cpu, slowdown
from engine.sglang.engine_arguments import engine_arguments, environment
from engine.sglang.variables import HOOK
from engine.wire.worker_spec import WorkerSpec
from engine.worker.descendants import die_with_parent, end_children
from engine.worker.runtime_interface import StartError

_PLUGINS = "sglang.srt.plugins"

# SGLang's child processes import this module before anything of SGLang's.
if __name__ == "__mp_main__":
    die_with_parent()
    cpu.install_if_asked()


def plugins(spec: WorkerSpec) -> str:
    """Return the plugins that SGLang may load; an empty list would mean all.

    Raises:
        StartError: the slowdown that ``spec`` asks for is not installed.
    """
    if spec.slowdown == 1:
        return "none"
    if not entry_points(group=_PLUGINS, name=slowdown.PLUGIN):
        raise StartError(f"the plugin {slowdown.PLUGIN} is not installed: run pip install --no-deps -e .")
    return slowdown.PLUGIN


def _follow_lifeline() -> None:
    sys.stdin.buffer.read()
    end_children()
    os._exit(0)


def main() -> None:
    """Serve; it doesn't return."""
    parser = argparse.ArgumentParser(prog="python -m engine.sglang.stock_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--status-fd", type=int, help="not used: ask /health")
    port = parser.parse_args().port
    spec = replace(WorkerSpec.from_json(sys.stdin.buffer.readline()), kv_events=False)
    threading.Thread(target=_follow_lifeline, name="lifeline", daemon=True).start()
    run_dir = Path(tempfile.mkdtemp(prefix="b-"))
    variables = environment(spec, run_dir)
    del variables[HOOK]
    os.environ.update(variables, SGLANG_PLUGINS=plugins(spec))
    if spec.cpu_core is not None:
        os.sched_setaffinity(0, {spec.cpu_core})
    cpu.install_if_asked()
    from sglang.srt.entrypoints.http_server import launch_server
    from sglang.srt.server_args import ServerArgs

    arguments = {"weight_version": spec.name, **engine_arguments(spec, run_dir)}
    launch_server(ServerArgs(**arguments, host="127.0.0.1", port=port))


if __name__ == "__main__":
    main()
