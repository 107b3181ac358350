"""``python -m engine.sglang.probe``: what this Python can serve with, and whether our hooks fit its SGLang.

It imports SGLang (seconds) and starts nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from engine.sglang import cpu

_PACKAGES = ("torch", "triton", "transformers", "sglang", "sglang-kernel", "flashinfer-python", "xgrammar")
_SCHEDULER = "sglang.srt.managers.scheduler"
_HOOKS = (
    ("sglang.srt.managers.schedule_policy", "SchedulePolicy.calc_priority"),
    (_SCHEDULER, "Scheduler.run_batch"),
    (_SCHEDULER, "Scheduler.get_new_batch_prefill"),
    (_SCHEDULER, "Scheduler.handle_rpc_request"),
    ("sglang.srt.plugins.hook_registry", "HookRegistry.register"),
    ("sglang.srt.disaggregation.kv_events", "KVEventBatch"),
    ("sglang.srt.entrypoints.engine", "Engine.collective_rpc"),
)
"""What ``engine/sglang/hook.py`` and ``engine/sglang/sglang_runtime.py`` take hold of."""
_PLUGINS = ("sluice", "sluice_slowdown")


def backends(on_gpu: bool) -> dict[str, str]:
    """Return SGLang's attention backends that Sluice knows of: empty where usable, else what is missing."""
    if not on_gpu:
        return {"torch_native": ""}
    compilers = [name for name in ("nvcc", "ninja") if shutil.which(name) is None]
    return {
        "triton": _missing("triton"),
        "flashinfer": _missing("flashinfer") or (f"no {' and '.join(compilers)}" if compilers else ""),
        "fa3": _missing("sgl_kernel.flash_ops"),
        "torch_native": "",
    }


def problems() -> Iterator[str]:
    """Yield what keeps Sluice from working with the SGLang that is installed."""
    for module, name in _HOOKS:
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            yield f"{module}.{name}: {type(error).__name__}: {error}"
    installed = {point.name for point in entry_points(group="sglang.srt.plugins")}
    for plugin in _PLUGINS:
        if plugin not in installed:
            yield f"the plugin {plugin} is not installed: run pip install --no-deps -e ."


def _missing(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:  # a library that can't load may raise anything
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str | None:
    """Return the first GPU's name and memory, ``None`` without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    capability = f"{found.major}.{found.minor}"
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB, compute capability {capability}"


def main() -> int:
    """Print versions, the device, attention backends and problems; return 1 if there are any of these."""
    print(f"python: {sys.version.split()[0]}")
    for package in _PACKAGES:
        print(f"{package}: {_version(package)}")
    if missing := _missing("torch"):
        print(f"problem: PyTorch can't be imported: {missing}")
        return 1
    device = _device()
    print(f"device: {device or 'CPU'}")
    if device is None:
        cpu.install()
    for name, missing in backends(device is not None).items():
        print(f"attention backend {name}: {missing or 'usable'}")
    found = list(problems())
    for problem in found:
        print(f"problem: {problem}")
    print("SGLang and the hooks are in order" if not found else f"{len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
