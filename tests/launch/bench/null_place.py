"""A controller before null runtimes that several tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from launch.bench.cost.controller_cost import WINDOW_TOKENS
from launch.bench.stand import NullStand, null_stand


@contextmanager
def standing() -> Iterator[NullStand]:
    """Run it on an event loop of its own, so that tests on any loop can use it."""
    with asyncio.Runner() as runner:
        stand = null_stand(WINDOW_TOKENS, max_waiting_calls=100)
        place = runner.run(stand.__aenter__())
        try:
            yield place
        finally:
            runner.run(stand.__aexit__(None, None, None))
