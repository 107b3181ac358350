"""A stock SGLang server with a worker's arguments and without our order: what measurements compare with.

``python -m engine.bare --port N`` reads a ``WorkerSpec`` as one line of JSON from standard input and serves
SGLang's HTTP API on 127.0.0.1 until it is killed.  Of ours it has the cures for CPUs (imports that SGLang
can't do without) and, where the spec asks for one, the slowdown.  Its answers tell the spec's name as
``weight_version``, by which a client behind a router sees who answered.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from engine import cpu, sglang_slowdown
from engine.arguments import engine_arguments, environment
from engine.backend import StartError
from engine.children import die_with_parent
from engine.sglang_hook import HOOK_VARIABLE
from engine.spec import WorkerSpec

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
    if not entry_points(group=_PLUGINS, name=sglang_slowdown.PLUGIN):
        raise StartError(
            f"the plugin {sglang_slowdown.PLUGIN} is not installed: run pip install --no-deps -e ."
        )
    return sglang_slowdown.PLUGIN


def main() -> None:
    """Serve; it doesn't return."""
    parser = argparse.ArgumentParser(prog="python -m engine.bare", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--status-fd", type=int, help="not used: ask /health")
    port = parser.parse_args().port
    spec = replace(WorkerSpec.from_json(sys.stdin.buffer.readline()), kv_events=False)
    run_dir = Path(tempfile.mkdtemp(prefix="b-"))
    variables = environment(spec, run_dir)
    del variables[HOOK_VARIABLE]
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
