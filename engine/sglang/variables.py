"""Environment variables through which a worker speaks to SGLang's processes: Sluice's own, no settings."""

from __future__ import annotations

HOOK = "SLUICE_HOOK"
"""``1``: our hooks are installed (``hook.py``)."""
RUN_DIR = "SLUICE_RUN_DIR"
"""The folder that a worker shares with its scheduler process."""
SLOWDOWN = "SLUICE_SLOWDOWN"
"""How many times as long forward passes last (``slowdown.py``)."""
CPU_CURES = "SLUICE_CPU_CURES"
"""``1``: stand-ins for what a CPU install lacks (``cpu.py``)."""
LOG = "SLUICE_WORKER_LOG"
"""The worker's name and the level of its log (``engine/worker/own_log.py``), with a space between."""
LEDGER = "SLUICE_TEST_LEDGER"
"""The file that runtimes write to what they run (``engine/worker/run_ledger.py``)."""
LINK_VIA = "SLUICE_TEST_LINK_VIA"
"""``NAME=tcp://HOST:PORT,…``: where workers connect instead of to their controller
(``engine/worker/link_detour.py``)."""
_TESTS = "SLUICE_TEST_"


def is_internal(name: str) -> bool:
    """Tell whether a variable is one of these or belongs to Sluice's tests."""
    return name in (HOOK, RUN_DIR, SLOWDOWN, CPU_CURES, LOG) or name.startswith(_TESTS)
