"""Workflows and stages of agents that tag nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from engine.controller.external_workflows import WorkflowTag
from launch.api.agents.led_conversations import LedConversations
from launch.api.agents.stage_names import StageNames, first_line
from sched.clock import Clock, monotonic

KEY_HEADERS = ("authorization", "x-api-key", "api-key")


class Recogniser:
    """Completes the tags of calls whose clients said nothing of their workflow or stage.

    It belongs to one event loop.  ``is_open`` says whether a workflow has begun and not ended.
    """

    def __init__(self, is_open: Callable[[str], bool], clock: Clock = monotonic) -> None:
        self._conversations = LedConversations(is_open, clock)
        self._stages = StageNames()

    def chat(
        self,
        tag: WorkflowTag,
        request: Request,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[str] = (),
    ) -> WorkflowTag:
        """Return the tag of a chat; ``tools`` are the names of those it may call."""
        if tag.workflow_id is None and tag.slo_seconds is None and not tag.last:  # those are of this call
            name = self._conversations.workflow_of(_client(request, tag), messages)
            tag = replace(tag, workflow_id=name, session=name is not None)
        if tag.stage_said:
            return tag
        system = (message for message in messages if message.get("role") in ("system", "developer"))
        return self._staged(tag, _text(next(system, {}).get("content")), tools)

    def text(self, tag: WorkflowTag, prompts: Sequence[Any]) -> WorkflowTag:
        """Return the tag of a call that continues ``prompts``: of a text, the first line tells the stage."""
        if tag.stage_said or not prompts or not isinstance(prompts[0], str):
            return tag
        return self._staged(tag, first_line(prompts[0]))

    def _staged(self, tag: WorkflowTag, instructions: str, tools: Iterable[str] = ()) -> WorkflowTag:
        name = self._stages.name(instructions, tools)
        return tag if name is None else replace(tag, stage=name)


def _client(request: Request, tag: WorkflowTag) -> str:
    """Return what tells clients apart: tenant, database, key and address."""
    keys = [request.headers.get(name, "") for name in KEY_HEADERS]
    host = request.client.host if request.client else ""
    return hashlib.sha256(
        "\0".join((tag.tenant, tag.database or "", host, *keys)).encode(errors="replace")
    ).hexdigest()


def _text(content: Any) -> str:
    """Return the text of a message, which may have parts."""
    if isinstance(content, str):
        return content
    return " ".join(part for part in content if isinstance(part, str)) if isinstance(content, list) else ""
