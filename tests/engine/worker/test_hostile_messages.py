"""Whatever the other end sends, a worker goes on, and each request gets exactly one end."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.wire import codec
from engine.wire import messages as msg
from engine.worker.simulated_runtime import SimulatedRuntime
from engine.worker.worker_protocol import WorkerProtocol
from tests.engine.wire.any_messages import frames_of
from tests.engine.worker_process import generate, hello, simulated_spec
from tests.waiting import GUARD_SECONDS

FAST = {"prefill_tokens_per_second": 1e9, "decode_tokens_per_second": 1e9, "output_tokens": 2}
RIDS = st.sampled_from(["r", "s"]).map(lambda name: name.ljust(msg.RID_LENGTH, "-"))
ORDERS = [
    *(msg.Generate, msg.AbortRequest, msg.RekeyRequest, msg.Introduce, msg.Welcome, msg.Drop, msg.Ping),
    *(msg.Command, msg.CacheRequest, msg.Shutdown, msg.Hello, msg.Finished),
]
HOSTILE = st.lists(st.sampled_from(ORDERS).flatmap(lambda cls: frames_of(cls, RIDS)), max_size=10)


async def worked(orders: list[list[bytes]], folder: Path) -> None:
    """Hand ``orders`` to a worker, and then a good request; nothing that it raises stays unseen."""
    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    spec = simulated_spec(engine_args=FAST, heartbeat_seconds=0.01, kv_events=False)
    sent: list[msg.WireMessage] = []

    def send(message: msg.WireMessage) -> bool:
        sent.append(codec.decode(codec.encode(message)))
        return True

    runtime = SimulatedRuntime(spec, folder)
    await runtime.open()
    protocol = WorkerProtocol(spec, hello("sim", simulated=True), runtime, send)
    task = asyncio.create_task(protocol.run())
    asked: Counter[str] = Counter()
    try:
        for frames in orders:
            try:
                message = codec.decode(frames)
            except codec.BadFrameError:
                continue
            if isinstance(message, msg.Generate):
                asked[message.rid] += 1
            protocol.receive(message)
        protocol.receive(generate("good", [1, 2, 3]))
        asked["good".ljust(msg.RID_LENGTH, "-")] += 1
        protocol.receive(msg.Shutdown(grace_seconds=GUARD_SECONDS))
        await asyncio.wait_for(task, GUARD_SECONDS)
    finally:
        task.cancel()
        runtime.shutdown()
    ended = Counter(each.rid for each in sent if isinstance(each, msg.Finished | msg.Failed))
    assert raised == []
    assert ended.keys() == asked.keys()
    assert all(count <= asked[rid] for rid, count in ended.items())


@settings(max_examples=60)
@given(HOSTILE)
def test_hostile_orders_break_nothing(orders: list[list[bytes]]) -> None:
    """A second request with the id of one that runs is dropped; each other gets its end."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(worked(orders, Path(folder)))
