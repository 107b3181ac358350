"""The wire codec: what goes in comes out, and nothing else does."""

from __future__ import annotations

from array import array
from dataclasses import MISSING, fields
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.wire import codec
from engine.wire import messages as msg
from tests.engine.wire.any_messages import messages_of

SAMPLES: list[msg.WireMessage] = [
    msg.Generate(
        rid="r" * msg.RID_LENGTH,
        token_ids=array("i", [1, 2, 70000]).tobytes(),
        sampling={"max_new_tokens": 8, "stop": ["a"]},
        key=-1.5,
        sequence=7,
        remaining_seconds=2.25,
        priority=3,
        logprobs={"return_logprob": True, "token_ids_logprob": [1, 2]},
        stream=True,
    ),
    msg.AbortRequest(rid="x"),
    msg.RekeyRequest(rid="x", key=-2.5),
    msg.Introduce(),
    msg.Welcome(epoch="e", fresh=True),
    msg.Drop(),
    msg.Ping(epoch="e"),
    msg.Shutdown(grace_seconds=1.0, fault="it hangs"),
    msg.Command(rid="1", action="loads", seconds=1.0),
    msg.CacheRequest(),
    msg.Hello(
        runtime="cpu-0",
        pid=1,
        model_path="/m",
        tokenizer_hash="h",
        context_length=8192,
        max_total_tokens=65536,
        max_running_requests=16,
        device="cpu",
        engine_version="sglang 0",
        hook_proof=["a", "b"],
        simulated=False,
        slowdown=3.0,
    ),
    msg.Heartbeat(runtime="cpu-0", running=1, waiting=2, used_tokens=3, scheduler_steps=4),
    msg.CommandReply(rid="1", runtime="cpu-0", result=[{"dp_rank": 0}], error="too late"),
    msg.CacheChanged(runtime="cpu-0", sequence=3, scope="changes", added=[2**63 + 1], removed=[7]),
    msg.FirstTokenReady(rid="x", seconds=0.5, cached_tokens=31),
    msg.Chunk(
        rid="x",
        text="é",
        token_ids=array("i", [5]).tobytes(),
        logprobs={"output_token_logprobs": [[-0.5, 5, None]]},
    ),
    msg.Finished(
        rid="x",
        text="done",
        token_ids=array("i", [5, 6]).tobytes(),
        finish_reason={"type": "stop", "matched": 0},
        prompt_tokens=10,
        cached_tokens=4,
        output_tokens=2,
        ttft_seconds=0.25,
        total_seconds=0.5,
        meta={"num_retractions": 0},
    ),
    msg.Failed(rid="x", code="timeout", message="too late"),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: message.kind)
def test_a_message_survives_the_wire(message: msg.WireMessage) -> None:
    """Every kind is the same after encoding and decoding, token ids and all."""
    frames = codec.encode(message)
    assert len(frames) == (3 if message.token_ids else 2)
    assert codec.decode(frames) == message


def test_every_kind_has_a_sample() -> None:
    """A new message kind can't be forgotten above, and each stands there once."""
    assert [message.kind for message in SAMPLES] == list(codec._KINDS)


HEADER = orjson.dumps(["abort", codec.VERSION, "x"])


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([], "expected 2 or 3 frames"),
        ([HEADER], "expected 2 or 3 frames"),
        ([HEADER, b"{}", b"", b""], "expected 2 or 3 frames"),
        ([b"\xff", b"{}"], "malformed"),
        ([b"{}", b"{}"], "malformed"),
        ([b"7", b"{}"], "malformed"),
        ([b'["abort"]', b"{}"], "malformed"),
        ([HEADER, b"["], "malformed"),
        ([HEADER, b"[]"], "malformed abort"),
        ([HEADER, b'{"unknown": 1}'], "malformed abort"),
        ([HEADER, b"{}", b"123"], "malformed abort"),
        ([orjson.dumps(["abort", codec.VERSION, 5]), b"{}"], "malformed abort"),
        ([orjson.dumps(["ping", codec.VERSION, ""]), b"{}"], "malformed ping"),
        ([orjson.dumps(["abort", codec.VERSION + 1, "x"]), b"{}"], "version"),
        ([orjson.dumps(["abort", None, "x"]), b"{}"], "version"),
        ([orjson.dumps(["nonsense", codec.VERSION, "x"]), b"{}"], "unknown message kind"),
        ([orjson.dumps([["abort"], codec.VERSION, "x"]), b"{}"], "unknown message kind"),
    ],
)
def test_bad_frames_are_refused(frames: list[bytes], complaint: str) -> None:
    """Whatever isn't a message of this version raises BadFrameError and nothing else."""
    with pytest.raises(codec.BadFrameError, match=complaint):
        codec.decode(frames)


SAMPLE_OF = {message.kind: message for message in SAMPLES}
WRONG_TYPES: list[tuple[str, str, Any, str]] = [
    ("ping", "epoch", 1, "str"),
    ("ping", "epoch", None, "str"),
    ("ping", "epoch", ["e"], "str"),
    ("rekey", "key", "1", "float"),
    ("rekey", "key", None, "float"),
    ("rekey", "key", float("nan"), "float"),  # orjson writes null
    ("rekey", "key", True, "float"),
    ("first_token", "cached_tokens", 3.0, "int"),
    ("first_token", "cached_tokens", "3", "int"),
    ("first_token", "cached_tokens", None, "int"),
    ("first_token", "cached_tokens", True, "int"),
    ("generate", "stream", 1, "bool"),
    ("generate", "stream", "yes", "bool"),
    ("generate", "sampling", ["temperature"], "object"),
    ("generate", "sampling", None, "object"),
    ("hello", "speed", {"prefill": "fast"}, "float"),
    ("hello", "hook_proof", "proof", "array"),
    ("hello", "hook_proof", {"proof": 1}, "array"),
    ("hello", "hook_proof", ["proof", 7], "str"),
    ("heartbeat", "passes", [[1, "2"]], "float"),
    ("heartbeat", "passes", [3.0], "array"),
    ("cache_changed", "added", [1, 2.5], "int"),
]


@pytest.mark.parametrize(("kind", "name", "value", "expected"), WRONG_TYPES)
def test_a_field_of_another_type_is_refused(kind: str, name: str, value: Any, expected: str) -> None:
    """The complaint names the message, the field and the type it must have."""
    header, body = codec.encode(SAMPLE_OF[kind])[:2]
    frames = [header, orjson.dumps(orjson.loads(body) | {name: value})]
    with pytest.raises(codec.BadFrameError, match=f"malformed {kind} message: Expected `{expected}`.*{name}"):
        codec.decode(frames)


REQUIRED = [
    (message.kind, field.name)
    for message in SAMPLES
    for field in fields(message)
    if field.default is field.default_factory is MISSING
]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_a_missing_field_is_named(kind: str, name: str) -> None:
    """The complaint names the message and the field that it must have."""
    header, body = codec.encode(SAMPLE_OF[kind])[:2]
    content = orjson.loads(body)
    del content[name]
    with pytest.raises(codec.BadFrameError, match=f"malformed {kind} message:.*{name}"):
        codec.decode([header, orjson.dumps(content)])


def test_an_unknown_field_is_named() -> None:
    """A field that the message doesn't have is refused, not ignored."""
    for name in ("other", "rid", "token_ids"):  # the last two have places of their own
        with pytest.raises(codec.BadFrameError, match=f"malformed abort message.*{name}"):
            codec.decode([HEADER, orjson.dumps({name: "x"})])


def test_an_integer_is_taken_for_a_float() -> None:
    """A peer may write 1 for 1.0; what comes out is a float."""
    message = codec.decode([orjson.dumps(["rekey", codec.VERSION, "x"]), b'{"key": 1}'])
    assert isinstance(message, msg.RekeyRequest)
    assert isinstance(message.key, float)


@settings(max_examples=300)
@given(st.sampled_from(list(codec._KINDS.values())).flatmap(messages_of))
def test_every_message_survives_the_wire(message: msg.WireMessage) -> None:
    """Whatever a message's fields hold, it is the same after encoding and decoding."""
    assert codec.decode(codec.encode(message)) == message


def test_messages_can_not_be_changed() -> None:
    """Messages are plain, frozen data."""
    ping: Any = msg.Ping(epoch="e")
    with pytest.raises(AttributeError):
        ping.epoch = "f"
