"""New keys reach a runtime in batches and from one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

from engine.sglang.rekeys import Rekeys
from tests.waiting import GUARD_SECONDS, reached


async def delivered_all(rekeys: Rekeys) -> None:
    """Wait until nothing is on its way any more."""
    assert rekeys._task is not None
    async with asyncio.timeout(GUARD_SECONDS):
        await rekeys._task


async def test_what_comes_during_a_delivery_goes_together() -> None:
    """While one delivery blocks, keys are collected, the latest of each request; never two at a time."""
    go = threading.Event()
    delivered: list[Mapping[str, float]] = []
    threads: set[int] = set()

    def deliver(keys: Mapping[str, float]) -> None:
        threads.add(threading.get_ident())
        delivered.append(keys)
        assert go.wait(GUARD_SECONDS)

    rekeys = Rekeys(deliver)
    rekeys.add("a", 1.0)
    await reached(lambda: bool(delivered))
    for rid, key in [("a", 2.0), ("b", 3.0), ("a", 4.0)]:
        rekeys.add(rid, key)
        await asyncio.sleep(0)
    go.set()
    await delivered_all(rekeys)
    assert delivered == [{"a": 1.0}, {"a": 4.0, "b": 3.0}]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_delivery_that_fails_does_not_stop_the_next() -> None:
    """After an error the keys of that batch are lost and later ones are delivered."""
    delivered: list[Mapping[str, float]] = []

    def deliver(keys: Mapping[str, float]) -> None:
        if "bad" in keys:
            raise RuntimeError("no answer")
        delivered.append(keys)

    rekeys = Rekeys(deliver)
    for rid in ("bad", "good"):
        rekeys.add(rid, 1.0)
        await delivered_all(rekeys)
    assert delivered == [{"good": 1.0}]
