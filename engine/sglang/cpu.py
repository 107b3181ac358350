"""What SGLang needs to run on a machine without a GPU.  Nothing here is active on a GPU host.

SGLang's CPU path imports names from its kernel package and from torchvision that a plain CPU install
doesn't have.  It calls none of them for the models served here, so stand-ins that can be imported are
enough and no file of SGLang's is edited.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

from engine.sglang.variables import CPU_CURES

_KERNEL_MODULES = ("sgl_kernel", "sgl_kernel.mamba")
_TORCHVISION_META = "torchvision._meta_registrations"


class _StandInModule(types.ModuleType):
    """A module whose every CPU kernel is a function that refuses to be called.

    Other names stay missing: SGLang falls back on its own where it can't import them.
    """

    def __getattr__(self, name: str) -> Any:
        if not name.endswith("_cpu"):
            raise AttributeError(f"the stand-in for {self.__name__} has no {name}")
        where = f"{self.__name__}.{name}"

        def unavailable(*_args: Any, **_kwargs: Any) -> Any:
            raise RuntimeError(f"{where} needs SGLang's compiled kernels, which this CPU install has not")

        return unavailable


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the kernel modules that CPU code imports.  It stands last, so a real package wins."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _KERNEL_MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to execute: the names are made on demand."""


def install() -> None:
    """Put the stand-ins in place in this process; call before importing sglang.  Idempotent."""
    if not any(isinstance(finder, _StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(_StandInFinder())
    # torchvision's CUDA wheel registers shapes of operators whose library can't load without CUDA.
    sys.modules.setdefault(_TORCHVISION_META, types.ModuleType(_TORCHVISION_META))


def install_if_asked() -> None:
    """Call :func:`install` where ``SLUICE_CPU_CURES=1``, as it is in SGLang's child processes."""
    if os.environ.get(CPU_CURES) == "1":
        install()


def environment(core: int | None) -> dict[str, str]:
    """Return the environment of a CPU runtime pinned to ``core`` (``None``: not pinned).

    One thread per runtime: runtimes side by side share the machine core by core.
    """
    threads = "1" if core is not None else str(len(os.sched_getaffinity(0)))
    return {
        CPU_CURES: "1",
        "SGLANG_USE_CPU_ENGINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
