"""What the hook tells of SGLang's scheduler, and what it closes there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq

from engine.sglang import hook


def test_steps_are_counted_across_processes(tmp_path: Path) -> None:
    """The scheduler's own counter can be read from outside, from zero on."""
    step = hook._StepHook(tmp_path)
    assert hook.read_steps(tmp_path) == 0
    for count in (1, 2, 700):
        assert step(lambda scheduler, batch: batch, SimpleNamespace(forward_ct=count), "result") == "result"
        assert hook.read_steps(tmp_path) == count


def test_a_failed_start_is_written_down(tmp_path: Path) -> None:
    """The reason is left for the worker, and the error goes on."""

    def broken(_scheduler: object) -> None:
        raise MemoryError("no room for the cache")

    with pytest.raises(MemoryError):
        hook._FailureReport(tmp_path / "why")(broken, object())
    assert (tmp_path / "why").read_text() == "MemoryError: no room for the cache"


def test_a_socket_that_nobody_reads_is_closed() -> None:
    """It would fill memory; an SGLang without it is left alone."""
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    hook.close_unread(
        None, SimpleNamespace(ipc_channels=SimpleNamespace(send_metrics_from_scheduler=socket)), "a", b=1
    )
    assert socket.closed
    context.term()
    hook.close_unread(None, SimpleNamespace(ipc_channels=SimpleNamespace(send_metrics_from_scheduler=None)))
    hook.close_unread(None, SimpleNamespace())
