"""What an SGLang engine is started with: its arguments and its processes' environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from engine.sglang import cpu, kv_events
from engine.sglang.cpu_memory import memory_fraction
from engine.sglang.variables import HOOK, LOG, RUN_DIR, SLOWDOWN
from engine.wire.worker_spec import WorkerSpec
from engine.worker.runtime_interface import StartError

_COMMON_ARGS: Mapping[str, Any] = {
    "schedule_policy": "fcfs",  # SGLang's own bookkeeping; the order is our hook's
    "log_level": "error",
    "enable_metrics": True,  # shown by the controller's /metrics
    "grammar_backend": "xgrammar",
    "constrained_json_disable_any_whitespace": True,  # a weak model would emit only that
    "tool_call_parser": "auto",  # detected by the chat template
    "reasoning_parser": "auto",
}
_CPU_ARGS: Mapping[str, Any] = {
    "device": "cpu",
    "attention_backend": "torch_native",
    "dtype": "float32",  # half precision is several times slower on CPUs
    "max_total_tokens": 65536,
    "max_running_requests": 16,
    "disable_cuda_graph": True,
    "disable_overlap_schedule": True,  # a CPU has nothing to overlap, and first tokens came a batch late
    "sleep_on_idle": True,  # an idle scheduler would spin and take a core from the others
}


def environment(spec: WorkerSpec, run_dir: Path) -> dict[str, str]:
    """Return the environment that SGLang's processes need; set it before importing sglang.

    Their temporary files and sockets go to ``run_dir``.
    """
    variables = {
        HOOK: "1",
        RUN_DIR: str(run_dir),
        SLOWDOWN: str(spec.slowdown),
        LOG: f"{spec.name} {spec.log_level}",
        "TMPDIR": str(run_dir),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::UserWarning",  # SGLang's, about kernels of other devices
    }
    if spec.device == "cpu":
        return variables | cpu.environment(spec.cpu_core)
    if spec.gpu_ids:
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # GPUs are counted as nvidia-smi counts them
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, spec.gpu_ids))
    if spec.sm_share is not None:
        variables["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = f"{100 * spec.sm_share:.0f}"
    return variables


def engine_arguments(spec: WorkerSpec, run_dir: Path) -> dict[str, Any]:
    """Return the arguments of SGLang's engine: our defaults, then the spec's.

    Its cache events are published in ``run_dir``.

    Raises:
        StartError: the spec asks for something that is ours to set.
    """
    arguments = dict(_COMMON_ARGS)
    if spec.device == "cpu":
        total_bytes = psutil.virtual_memory().total
        arguments |= _CPU_ARGS
        arguments["mem_fraction_static"] = memory_fraction(spec.model_path, total_bytes)
    elif spec.gpu_ids:
        arguments["tp_size"] = len(spec.gpu_ids)
    arguments |= spec.engine_args
    arguments["model_path"] = spec.model_path
    if arguments["schedule_policy"] != "fcfs":
        raise StartError(
            "schedule_policy can't be set: the queue is ordered by Sluice, choose with --ordering"
        )
    if spec.kv_events:
        arguments |= kv_events.publisher_arguments(arguments, run_dir)
    return arguments
