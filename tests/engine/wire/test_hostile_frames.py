"""Whatever bytes arrive at an end of the link, they are a message or refused."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import codec
from tests.engine.wire.any_messages import DEFAULTS, any_frames, frames_of

FRAMES = any_frames() | st.sampled_from(list(codec._KINDS.values())).flatmap(
    lambda cls: frames_of(cls, st.text(max_size=3))
)


@given(FRAMES)
def test_frames_are_a_message_or_refused(frames: list[bytes]) -> None:
    """What is a message survives the way back."""
    try:
        message = codec.decode(frames)
    except codec.BadFrameError:
        return
    sent = codec.encode(message)
    assert codec.encode(codec.decode(sent)) == sent


@pytest.mark.parametrize(
    ("kind", "field", "value", "complaint"),
    [
        ("hello", "max_total_tokens", 0, "max_total_tokens is 0"),
        ("hello", "max_running_requests", -1, "max_running_requests is -1"),
        ("hello", "context_length", 2**60, "context_length is"),
        ("hello", "slowdown", 0.0, "slowdown is 0.0"),
        ("hello", "speed", {"prefil": 1.0}, "speed has no 'prefil'"),
        ("hello", "speed", {"prefill": 1.0}, "speed must say decode, above 0"),
        ("hello", "speed", {"prefill": 0.0, "decode": 1.0}, "speed must say prefill, above 0"),
        ("hello", "speed", {"prefill": -1.0, "decode": 1.0}, "prefill is -1.0"),
        ("heartbeat", "passes", [[1.0, 2.0]], "a pass has 7 numbers, not 2"),
        ("heartbeat", "passes", [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -7.0]], "seconds of a pass is -7.0"),
        ("heartbeat", "still_seconds", -1.0, "still_seconds is -1.0"),
        ("cache_changed", "scope", "most", "'most' is not a valid CacheScope"),
        ("first_token", "cached_tokens", -1, "cached_tokens is -1"),
        ("finished", "output_tokens", 2**50, "output_tokens is"),
        ("finished", "total_seconds", -0.5, "total_seconds is -0.5"),
    ],
)
def test_a_value_that_can_not_be_is_refused(kind: str, field: str, value: object, complaint: str) -> None:
    """Its type is right; the complaint names it."""
    body = DEFAULTS[kind] | {field: value}
    frames = [orjson.dumps([kind, codec.VERSION, "x"]), orjson.dumps(body)]
    with pytest.raises(codec.BadFrameError, match=f"malformed {kind} message: {re.escape(complaint)}"):
        codec.decode(frames)


@pytest.mark.parametrize("kind", list(DEFAULTS))
def test_the_frames_that_are_changed_are_messages(kind: str) -> None:
    codec.decode([orjson.dumps([kind, codec.VERSION, "x"]), orjson.dumps(DEFAULTS[kind])])
