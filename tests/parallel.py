"""Who runs which tests with pytest-xdist (``make test``: two processes): a pytest plugin.

Tests on real runtimes share them, so one process runs them all, from the beginning.  The other files are
handed out one by one, so that what a module sets up is set up once.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

try:
    from xdist.scheduler import LoadScopeScheduling
except ImportError:  # a single process needs none
    LoadScopeScheduling = object

REAL = "real"
_NAMED_REAL = re.compile(rf"(^|[/_]){REAL}([/_.]|$)")


def group(nodeid: str) -> str:
    """Return which tests run in one process with that of ``nodeid``: those on real runtimes, or its file."""
    path = nodeid.split("::", 1)[0]
    return REAL if _NAMED_REAL.search(path) else path


class ByRuntime(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out groups in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRuntime:
    """Replace the scheduler of ``--dist``."""
    return ByRuntime(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests on real runtimes first.

    Raises:
        pytest.UsageError: such a test is in a file or folder that isn't named so.
    """
    for item in items:
        if item.get_closest_marker(REAL) is not None and group(item.nodeid) != REAL:
            raise pytest.UsageError(f"{item.nodeid} starts a real runtime: its file must be named {REAL}")
    items.sort(key=lambda item: group(item.nodeid) != REAL)
