"""Which calls belong together, told by their messages: one continues another, or asks the same beside it."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sched.clock import Clock

MOST_WORKFLOWS = 2048
"""Workflows that are looked for; of more, the one that was called longest ago is forgotten."""
FAN_OUT_SECONDS = 10.0
"""Calls that ask the same within so much time of the first of them are a fan-out."""
MOST_FAN_OUT = 64
"""Calls in one fan-out; more begin another workflow."""

_PROMPTS_PER_WORKFLOW = 8
_MOST_AT_ONE_PROMPT = 16
_INSTRUCTIONS = frozenset({"system", "developer"})
_SAID = ("role", "name", "content", "tool_calls", "tool_call_id")

Message = Mapping[str, Any]


@dataclass(slots=True)
class _Known:
    """A workflow: when it began and was last called, seconds, and the calls of its first fan-out."""

    began: float
    called: float
    first_prompt: bytes
    calls: int = 1


class LedConversations:
    """A bounded index of the conversations that clients lead, by hashes of what was said so far.

    Instructions (system messages) don't count: stages of one workflow have different ones, and unlike
    workflows the same.  So a call is known by its other messages.

    *Continued*: its messages begin with all messages of an earlier call of that client, followed by an
    assistant's.  It belongs to that call's workflow, unless several workflows wait at the same point: then
    nobody can tell.

    *Beside*: its messages are an earlier call's, which began its workflow less than ``FAN_OUT_SECONDS`` ago.

    Everything else begins a workflow.  ``is_open`` says whether a workflow has not ended; its owner ends it.
    Clients are never mixed: ``client`` is hashed with the messages.
    """

    def __init__(self, is_open: Callable[[str], bool], clock: Clock, most: int = MOST_WORKFLOWS) -> None:
        self._is_open = is_open
        self._clock = clock
        self._most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        # Per prompt the workflows with calls that had it, and how many of these nobody has continued.
        self._prompts: OrderedDict[bytes, OrderedDict[str, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._prompts)

    def workflow_of(self, client: str, messages: Sequence[Message]) -> str | None:
        """Return the name of a call's workflow, a new one for a call that begins one.

        ``None``: nothing is asked by a user, so there is nothing to know it by.
        """
        said = [message for message in messages if message.get("role") not in _INSTRUCTIONS]
        if not any(message.get("role") == "user" for message in said):
            return None
        prompts = _prefixes(client, said)
        now = self._clock()
        name = self._continued(said, prompts, now) or self._beside(prompts[-1], now)
        if name is None:
            name = f"auto-{uuid4().hex[:16]}"
            self._known[name] = _Known(now, now, prompts[-1])
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known[name].called = now
            self._known.move_to_end(name)
        self._note(prompts[-1], name)
        return name

    def _continued(self, said: Sequence[Message], prompts: Sequence[bytes], now: float) -> str | None:
        """Return the workflow of the latest call that this one continues."""
        for index in range(len(said) - 2, -1, -1):
            waiting = self._prompts.get(prompts[index])
            if waiting is None or said[index + 1].get("role") != "assistant":
                continue
            alive = [name for name in waiting if self._alive(name, now)]
            open_ended = [name for name in alive if waiting[name] > 0] or alive
            if not alive:
                continue
            if len(open_ended) > 1:
                return None
            name = open_ended[0]
            waiting[name] = max(0, waiting[name] - 1)
            return name
        return None

    def _beside(self, prompt: bytes, now: float) -> str | None:
        """Return the workflow that began with the same messages just now."""
        for name in reversed(self._prompts.get(prompt, ())):
            known = self._known.get(name)
            if (
                known is not None
                and known.first_prompt == prompt
                and now - known.began <= FAN_OUT_SECONDS
                and known.calls < MOST_FAN_OUT
            ):
                known.calls += 1
                return name
        return None

    def _alive(self, name: str, now: float) -> bool:
        """Whether a workflow goes on; one called just now may not have been opened yet."""
        known = self._known.get(name)
        return known is not None and (now - known.called <= FAN_OUT_SECONDS or self._is_open(name))

    def _note(self, prompt: bytes, name: str) -> None:
        waiting = self._prompts.setdefault(prompt, OrderedDict())
        waiting[name] = waiting.get(name, 0) + 1
        waiting.move_to_end(name)
        if len(waiting) > _MOST_AT_ONE_PROMPT:
            waiting.popitem(last=False)
        self._prompts.move_to_end(prompt)
        if len(self._prompts) > _PROMPTS_PER_WORKFLOW * self._most:
            self._prompts.popitem(last=False)


def _prefixes(client: str, said: Sequence[Message]) -> list[bytes]:
    """Return a digest of each prefix of a client's messages."""
    digests, last = [], hashlib.blake2b(client.encode(errors="replace"), digest_size=16).digest()
    for message in said:
        told = {name: value for name in _SAID if (value := message.get(name))}
        text = json.dumps(told, sort_keys=True)  # unlike orjson, it takes half a surrogate pair
        last = hashlib.blake2b(last + text.encode(), digest_size=16).digest()
        digests.append(last)
    return digests
