"""Stored responses: bounded by number and bytes, those used longest ago leave first."""

from __future__ import annotations

import orjson
import pytest

from launch.api.responses.response_store import ResponseStore, StoredResponse
from sched.errors import NotFoundError


def stored(
    name: str, previous: str | None = None, conversation: str | None = None, text: str = ""
) -> StoredResponse:
    return StoredResponse(
        response={"id": name, "output": [{"text": text}]},
        input_items=[{"text": name}],
        previous_id=previous,
        workflow_id=None,
        conversation=conversation,
    )


def kept(store: ResponseStore, *names: str) -> list[str]:
    """Return which of ``names`` are kept, without using them."""
    return [name for name in names if name in store._kept]


def test_one_is_used_with_all_before_it() -> None:
    """So a conversation that goes on stays whole."""
    store = ResponseStore(most=3)
    store.keep(stored("a"))
    store.keep(stored("b"))
    store.keep(stored("c", previous="a"))
    assert [each.response_id for each in store.until("c")] == ["a", "c"]
    store.keep(stored("d"))
    assert kept(store, "a", "b", "c", "d") == ["a", "c", "d"]


def test_bytes_are_bounded_and_counted() -> None:
    """One that is larger than all that may be kept isn't, and takes no other's place."""
    one = stored("a", text="x" * 100)
    size = len(orjson.dumps([one.response, list(one.input_items)]))
    store = ResponseStore(most_bytes=2 * size)
    for name in ("a", "b", "c"):
        store.keep(stored(name, text="x" * 100))
    assert kept(store, "a", "b", "c") == ["b", "c"]
    assert store.size == 2 * size
    store.keep(stored("d", text="x" * 1000))
    assert kept(store, "b", "c", "d") == ["b", "c"]
    assert store.size == 2 * size


def test_a_broken_conversation_is_told() -> None:
    """With what to do."""
    store = ResponseStore()
    store.keep(stored("a"))
    store.keep(stored("b", previous="a"))
    store.delete("a")
    with pytest.raises(
        NotFoundError, match="a response before it is no longer kept; send the whole"
    ) as raised:
        store.until("b", "previous_response_id")
    assert raised.value.field == "previous_response_id"


def test_a_conversation_is_forgotten_with_its_latest_response() -> None:
    """Nothing of it stays behind."""
    store = ResponseStore(most=2)
    store.keep(stored("a", conversation="x"))
    store.keep(stored("b", previous="a", conversation="x"))
    assert store.latest("x") == "b"
    store.delete("b")
    assert store.latest("x") is None
    assert not store._latest
