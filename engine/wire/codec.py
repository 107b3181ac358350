"""The wire's codec.

A message is two frames, or three when token ids travel: an orjson header ``[kind, version, rid]``,
an orjson body (the dataclass's fields), and the token ids.  Every field must have the type that the message
declares; an integer is also taken where a float is declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import msgspec
import orjson

from engine.wire import messages
from engine.wire.messages import WireMessage
from engine.wire.token_ids import TOKEN_BYTES

VERSION = 1


class BadFrameError(Exception):
    """A frame that is not a message of this version; the receiver logs and drops it."""


_KINDS: dict[str, type[WireMessage]] = {
    cls.kind: cls
    for cls in vars(messages).values()
    if isinstance(cls, type) and issubclass(cls, WireMessage) and cls is not WireMessage
}
_BODY_FIELDS: dict[str, tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(cls) if f.name not in ("rid", "token_ids"))
    for kind, cls in _KINDS.items()
}


def encode(message: WireMessage) -> list[bytes]:
    """Return the frames of ``message``."""
    kind = message.kind
    body = {name: getattr(message, name) for name in _BODY_FIELDS[kind]}
    frames = [orjson.dumps([kind, VERSION, message.rid]), orjson.dumps(body)]
    if message.token_ids:
        frames.append(message.token_ids)
    return frames


def decode(frames: Sequence[bytes]) -> WireMessage:
    """Return the message in ``frames``.

    Raises:
        BadFrameError: wrong frame count, unknown kind or version, malformed header, body or ids; a field is
            unknown, missing or of another type.
    """
    if len(frames) not in (2, 3):
        raise BadFrameError(f"expected 2 or 3 frames, got {len(frames)}")
    try:
        kind, version, rid = orjson.loads(frames[0])
        body = orjson.loads(frames[1])
    except (orjson.JSONDecodeError, ValueError, TypeError) as error:
        raise BadFrameError(f"malformed frame: {error}") from error
    if version != VERSION:
        raise BadFrameError(f"wire version {version!r}, this process speaks {VERSION}")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise BadFrameError(f"unknown message kind {kind!r}")
    token_ids = bytes(frames[2]) if len(frames) == 3 else b""
    if not isinstance(body, dict) or not isinstance(rid, str) or len(token_ids) % TOKEN_BYTES:
        raise BadFrameError(f"malformed {kind} message")
    if unknown := body.keys() - _BODY_FIELDS[kind]:
        raise BadFrameError(f"malformed {kind} message: it has no field {min(unknown)!r}")
    body["rid"], body["token_ids"] = rid, token_ids
    try:
        return msgspec.convert(body, cls)
    except msgspec.ValidationError as error:
        raise BadFrameError(f"malformed {kind} message: {error}") from error
