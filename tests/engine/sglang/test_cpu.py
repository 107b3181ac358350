"""The stand-ins for what a CPU install lacks, each in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.sglang import cpu

ROOT = Path(__file__).resolve().parents[3]


def python(code: str, **environment: str) -> str:
    """Run ``code`` in a new interpreter in the checkout and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,  # some import all of torch
        check=True,
    )
    return done.stdout.strip()


def test_kernels_can_be_imported_but_not_called() -> None:
    """A CPU kernel resolves to a function that says why it can't work."""
    code = """
from engine.sglang import cpu
cpu.install(); cpu.install()
import sgl_kernel
from sgl_kernel.mamba import causal_conv1d_fn_cpu
try:
    causal_conv1d_fn_cpu(1, x=2)
except RuntimeError as error:
    print(error)
"""
    assert python(code).startswith("sgl_kernel.mamba.causal_conv1d_fn_cpu needs SGLang's compiled kernels")


@pytest.mark.parametrize(
    "statement",
    ["from sgl_kernel import gelu", "import sgl_kernel.scalar_type", "from sgl_kernel.flash_attn import x"],
)
def test_other_names_stay_missing(statement: str) -> None:
    """What SGLang has a fall-back for must raise ImportError."""
    code = f"""
from engine.sglang import cpu
cpu.install()
try:
    {statement}
except ImportError:
    print("missing")
"""
    assert python(code) == "missing"


def test_a_real_package_wins(tmp_path: Path) -> None:
    """Where the compiled kernels are installed, they are used."""
    (tmp_path / "sgl_kernel.py").write_text("real_cpu = 'real'\n")
    code = "from engine.sglang import cpu; cpu.install(); import sgl_kernel; print(sgl_kernel.real_cpu)"
    assert python(code, PYTHONPATH=str(tmp_path)) == "real"


@pytest.mark.parametrize(("value", "expected"), [("1", "True"), ("0", "False"), ("", "False")])
def test_active_only_where_asked(value: str, expected: str) -> None:
    """A child process of the worker has the stand-ins with the variable set, and never otherwise."""
    code = """
import importlib.util, runpy, sys
runpy.run_module("engine.worker.worker", run_name="__mp_main__", alter_sys=True)
print(importlib.util.find_spec("sgl_kernel") is not None, "torch" in sys.modules)
"""
    if python("import importlib.util as u; print(u.find_spec('sgl_kernel') is None)") != "True":
        pytest.skip("the compiled kernels are installed here")
    assert python(code, SLUICE_CPU_CURES=value) == f"{expected} False"


@pytest.fixture(scope="module")
def with_torch() -> list[str]:
    """What one interpreter prints that imports torchvision and a part of SGLang, which takes seconds."""
    code = """
from engine.sglang import cpu
cpu.install()
import torchvision
print(torchvision.__name__)
import torch
torch.cpu._is_amx_tile_supported = lambda: True
from sglang.srt.utils import common
print(common.is_amx_tile_supported, common.cpu_has_amx_support(), common.is_cpu())
"""
    return python(code, **cpu.environment(0)).splitlines()


def test_torchvision_imports(with_torch: list[str]) -> None:
    """torchvision can be imported whether or not its compiled library loads."""
    assert with_torch[0] == "torchvision"


def test_sglang_takes_the_processor_for_a_plain_one(with_torch: list[str]) -> None:
    """With the stand-ins SGLang doesn't believe that AMX kernels are there, even on a CPU with AMX."""
    assert with_torch[-1] == "True False True"


def test_one_thread_for_a_pinned_runtime() -> None:
    """A runtime with a core of its own uses one thread; without, as many as there are cores."""
    assert cpu.environment(0)["OMP_NUM_THREADS"] == "1"
    assert cpu.environment(None)["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0)))
    assert cpu.environment(None)["CUDA_VISIBLE_DEVICES"] == ""
