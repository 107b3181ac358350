"""Settings of the whole test suite: the same outcome on any machine, for any user, started in any way."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.process_guard",
    "tests.parallel",
    "tests.small_model",
    "tests.database_servers",
]

# A test beside running engines may be slow at any example; pytest-timeout bounds it instead.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# ``make test`` looks at fewer examples (--hypothesis-profile), ``make test-all`` at all.
settings.register_profile("quick", settings.get_profile("sluice"), max_examples=30)
settings.load_profile("sluice")


def pytest_configure(config: pytest.Config) -> None:
    """Start from an empty cache folder, since the user's may be full, foreign or not writable.

    A shell ignores SIGINT in what it starts in the background, and children inherit that: tests that
    interrupt a server need the default.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        return  # inherited from the process that started this worker of pytest-xdist
    # Fonts take seconds to look through and are the same for everybody.
    os.environ.setdefault("MPLCONFIGDIR", str(config.rootpath / ".pytest_cache" / "matplotlib"))
    os.environ["XDG_CACHE_HOME"] = folder = tempfile.mkdtemp(prefix="sluice-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
