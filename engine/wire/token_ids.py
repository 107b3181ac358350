"""Token ids as bytes: little-endian int32, on the wire and in prompts."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

TOKEN_BYTES = 4


def pack_ids(token_ids: Sequence[int]) -> bytes:
    """Return token ids as little-endian int32."""
    return array("i", token_ids).tobytes()


def unpack_ids(packed: bytes) -> array[int]:
    """Return the token ids in ``packed``, ``TOKEN_BYTES`` each.

    Raises:
        ValueError: the length is no multiple of ``TOKEN_BYTES``.
    """
    return array("i", packed)
