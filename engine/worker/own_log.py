"""What a worker's own modules log, whatever SGLang does to the root logger.

SGLang replaces the root's handlers and level when an engine starts, in the worker and in each of its own
processes.  Sluice's loggers therefore have a handler of their own and pass nothing on to the root.
"""

from __future__ import annotations

import logging

WORKER = "engine.worker"
"""The name of the logger of the process itself, whose main module has none."""
_PACKAGES = ("engine", "sched")


def log_as(runtime: str, level: str) -> None:
    """Send what Sluice's modules log from ``level`` on to standard error, under the name of ``runtime``."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {runtime} %(name)s: %(message)s"))
    for package in _PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
