"""Responses that later ones may refer to: the latest used, within a number and bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sched.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """A response as it was answered, what it was asked, and the one before it; the items are plain JSON.

    ``workflow_id``: the workflow of its call.
    """

    response: dict[str, Any]
    input_items: Sequence[dict[str, Any]]
    previous_id: str | None
    workflow_id: str | None
    conversation: str | None

    @property
    def response_id(self) -> str:
        """The response's id."""
        return str(self.response["id"])

    def items(self) -> list[dict[str, Any]]:
        """Return what it was asked and what it answered."""
        return [*self.input_items, *self.response["output"]]


@dataclass(slots=True)
class _Kept:
    stored: StoredResponse
    size: int


@dataclass(slots=True)
class ResponseStore:
    """Keeps up to ``most`` responses of ``most_bytes`` as JSON together; those used longest ago leave first.

    One is used when it is stored, shown or continued, and with it all before it.  It belongs to one event
    loop.
    """

    most: int = 16_384
    most_bytes: int = 64 << 20
    size: int = 0
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _latest: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, stored: StoredResponse) -> None:
        """Keep a response; it is its conversation's latest.

        One that is larger than all that may be kept isn't, and takes no other's place.
        """
        size = len(orjson.dumps([stored.response, list(stored.input_items)]))
        if size > self.most_bytes:
            return
        self._kept[stored.response_id] = _Kept(stored, size)
        self.size += size
        if stored.conversation is not None:
            self._latest[stored.conversation] = stored.response_id
        while len(self._kept) > self.most or self.size > self.most_bytes:
            self._drop(next(iter(self._kept)))

    def get(self, response_id: str) -> StoredResponse:
        """Return a response.

        Raises:
            NotFoundError: there is none of that name, or it is no longer kept.
        """
        kept = self._kept.get(response_id)
        if kept is None:
            raise _not_kept(response_id, response_id, None)
        self._kept.move_to_end(response_id)
        return kept.stored

    def until(self, response_id: str, field: str | None = None) -> list[StoredResponse]:
        """Return a response and all before it, the first one first.

        Raises:
            NotFoundError: one isn't kept; ``field`` named the response.
        """
        chain: list[StoredResponse] = []
        name: str | None = response_id
        while name is not None:
            kept = self._kept.get(name)
            if kept is None:
                raise _not_kept(response_id, name, field)
            chain.append(kept.stored)
            name = kept.stored.previous_id
        chain.reverse()
        for stored in chain:
            self._kept.move_to_end(stored.response_id)
        return chain

    def latest(self, conversation: str) -> str | None:
        """Return the latest response's id of a conversation, ``None`` for one that begins."""
        return self._latest.get(conversation)

    def delete(self, response_id: str) -> None:
        """Forget a response; those after it can't be continued.

        Raises:
            NotFoundError: as :meth:`get`.
        """
        if response_id not in self._kept:
            raise _not_kept(response_id, response_id, None)
        self._drop(response_id)

    def _drop(self, response_id: str) -> None:
        dropped = self._kept.pop(response_id)
        self.size -= dropped.size
        conversation = dropped.stored.conversation
        if conversation is not None and self._latest.get(conversation) == response_id:
            del self._latest[conversation]


def _not_kept(asked: str, missing: str, field: str | None) -> NotFoundError:
    if missing != asked:
        text = f"{asked!r} can't be continued: a response before it is no longer kept"
    else:
        text = f"there is no response {asked!r}: it wasn't stored, was deleted, or is no longer kept"
    remedy = "; send the whole conversation as input" if field is not None else ""
    error = NotFoundError(text + remedy, field=field)
    if field is not None:
        error.status, error.code = 400, "previous_response_not_found"
    return error
