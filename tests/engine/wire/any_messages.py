"""Messages and frames of all kinds: as they may be, of the right types only, and of any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

import orjson
from hypothesis import strategies as st

from engine.wire import codec
from engine.wire import messages as msg
from engine.wire.chat_output import MessagePart, Reading, ToolCallPart
from engine.wire.ordering_proof import PROOF_ORDER
from engine.wire.token_ids import pack_ids
from sched.events import CacheScope

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: INTEGERS,
    float: FLOATS,
    bool: st.booleans(),
    bytes: st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4).map(pack_ids),
    Any: ANYTHING,
    Mapping[str, Any]: st.dictionaries(TEXTS, ANYTHING, max_size=3),
    Mapping[str, float]: st.dictionaries(TEXTS, FLOATS, max_size=3),
    Sequence[str]: st.lists(TEXTS, max_size=3),
    Sequence[int]: st.lists(INTEGERS, max_size=3),
    Sequence[Sequence[float]]: st.lists(st.lists(FLOATS, max_size=3), max_size=3),
    str | None: st.none() | TEXTS,
    Sequence[Mapping[str, Any]]: st.lists(st.dictionaries(TEXTS, ANYTHING, max_size=3), max_size=3),
}


COUNTS = st.integers(1, 2**48)
RATES = st.floats(1e-6, 1e6)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        (
            *("context_length", "max_total_tokens", "max_running_requests", "chunk_tokens", "running"),
            *("waiting", "used_tokens", "cached_tokens", "prompt_tokens", "output_tokens"),
        ),
        COUNTS,
    ),
    **dict.fromkeys(
        ("slowdown", "still_seconds", "seconds", "ttft_seconds", "total_seconds"), st.floats(1, 1e6)
    ),
    "speed": st.just({}) | st.fixed_dictionaries({"prefill": RATES, "decode": RATES}, optional={"kv": RATES}),
    "passes": st.lists(st.lists(RATES, min_size=7, max_size=7), max_size=3),
    "scope": st.sampled_from(CacheScope).map(str),
}
"""What a value must be for its field's meaning, by the field's name."""


def messages_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Messages of one kind, or parts of one, with whatever their fields may hold."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{each.name: _plausible(each.name, hints) for each in fields(cls)})


def _plausible(name: str, hints: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    return PLAUSIBLE[name] if name in PLAUSIBLE else VALUES[hints[name]]


VALUES[Sequence[ToolCallPart]] = st.lists(messages_of(ToolCallPart), max_size=3)
VALUES[MessagePart | None] = st.none() | messages_of(MessagePart)
VALUES[Reading | None] = st.none() | messages_of(Reading)


def frames_of(cls: type[msg.WireMessage], rids: st.SearchStrategy[str]) -> st.SearchStrategy[list[bytes]]:
    """Frames of one kind, of which up to two fields say anything, mostly of the right type."""
    hints = get_type_hints(cls)
    names = [each.name for each in fields(cls) if each.name not in ("rid", "token_ids")]

    def hostile(changed: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {name: VALUES[hints[name]] | _plausible(name, hints) | ANYTHING for name in changed}
        )

    some = st.lists(st.sampled_from(names), max_size=2, unique=True) if names else st.just([])
    bodies = some.flatmap(hostile)

    def framed(body: dict[str, Any], rid: str, ids: list[int]) -> list[bytes]:
        header = orjson.dumps([cls.kind, codec.VERSION, rid])
        content = orjson.dumps(DEFAULTS.get(cls.kind, {}) | body)
        return [header, content, pack_ids(ids)] if ids else [header, content]

    return st.builds(framed, bodies, rids, st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4))


DEFAULTS: dict[str, dict[str, Any]] = {
    "generate": {"sampling": {}, "key": 0.0, "sequence": 1, "remaining_seconds": 1.0},
    "rekey": {"key": 0.0},
    "welcome": {"epoch": "e"},
    "ping": {"epoch": "e"},
    "shutdown": {"grace_seconds": 0.0},
    "command": {"action": "loads", "seconds": 1.0},
    "hello": {
        "runtime": "a",
        "pid": 2,
        "model_path": "m",
        "tokenizer_hash": "t",
        "device": "d",
        "context_length": 9,
        "max_total_tokens": 9,
        "max_running_requests": 1,
        "engine_version": "e",
        "hook_proof": list(PROOF_ORDER),
        "simulated": False,
    },
    "heartbeat": {"runtime": "a", "running": 0, "waiting": 0, "used_tokens": 0, "scheduler_steps": 0},
    "command_reply": {"runtime": "a"},
    "cache_changed": {"runtime": "a", "sequence": 1, "scope": "all"},
    "first_token": {"seconds": 0.1, "cached_tokens": 0},
    "chunk": {"text": "x"},
    "finished": {
        "text": "x",
        "finish_reason": {"type": "stop"},
        "prompt_tokens": 1,
        "cached_tokens": 0,
        "output_tokens": 1,
        "ttft_seconds": 0.1,
        "total_seconds": 0.2,
    },
    "failed": {"code": "timeout", "message": "m"},
}
"""The fields that a message must have, with values that can be; the hostile ones replace some."""


def any_frames() -> st.SearchStrategy[list[bytes]]:
    """Bytes, JSON of any shape, and messages of this version with any body."""
    kinds = st.sampled_from(list(codec._KINDS))
    header = st.tuples(kinds | TEXTS, st.just(codec.VERSION) | ANYTHING, TEXTS).map(orjson.dumps)
    frame = st.binary(max_size=40) | ANYTHING.map(orjson.dumps)
    return (
        st.lists(frame, max_size=4)
        | st.tuples(header, frame).map(list)
        | st.tuples(header, frame, st.binary(max_size=9)).map(list)
    )
