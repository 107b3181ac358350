"""Where a call says whose it is: the one table of headers and body fields, and how each is read.

Whoever sends these names did not have our rules in mind: a value that can't be read is as good as none, and
no call is refused for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from launch.api.bodies import Name

BODY = "body."
SESSION_FINAL = "x-dynamo-session-final"

SOURCES: Mapping[str, tuple[str, ...]] = {
    "workflow": (
        "body.workflow.id",
        "x-sluice-workflow-id",
        "body.program_id",
        # Parents before the session's own: a sub-agent's calls gate its parent's answer.
        "x-dynamo-parent-session-id",
        "x-parent-session-id",
        "x-dynamo-session-id",
        "x-claude-code-session-id",
        "x-session-id",
        "session-id",
        "session_id",
        "body.session_id",
        "x-session-affinity",
        "x-smg-routing-key",
        "x-claude-code-parent-agent-id",
        "x-claude-code-agent-id",
        "traceparent",
        "body.metadata.workflow_id",
        "body.metadata.session_id",
        "body.metadata.conversation_id",
        "body.metadata.thread_id",
        "body.conversation",
        "body.conversation.id",
        "body.prompt_cache_key",
    ),
    "stage": (
        "body.workflow.stage",
        "x-sluice-stage",
        "x-claude-code-agent-type",
        "x-claude-code-agent-id",
        "x-openai-subagent",
        "body.metadata.stage",
    ),
    "tenant": (
        "body.workflow.tenant",
        "x-sluice-tenant",
        "x-llm-d-inference-fairness-id",
        "x-smg-tenant-id",
        "body.user",
        "body.safety_identifier",
        "body.metadata.user_id",
    ),
    "priority": ("body.priority", "x-smg-priority"),
    "last": ("body.workflow.last", "x-sluice-last", SESSION_FINAL),
}
"""What is told, and the names that tell it: of a row, the first that is there and can be read counts.

Names with ``body.`` are fields of the body, the others headers.
"""

PARENTS = frozenset({"x-dynamo-parent-session-id", "x-parent-session-id"})
"""Headers that name a workflow other than the sender's own session."""

SMG_PRIORITIES: Mapping[str, int] = {"system": 2, "interactive": 1, "default": 0, "bulk": -1}
"""The classes of SGLang's model gateway as priorities of ours, of which the larger goes first."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_LEAST_GENERATED = 16
"""Characters of a name that stands for one conversation; shorter ones stand for an application."""


def found(tells: str, headers: Mapping[str, str], fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield ``(source, value)`` of the sources in row ``tells`` that are there and can be read, in order.

    ``headers`` has lower-case names, ``fields`` the body's fields that the client set.
    """
    for source in SOURCES[tells]:
        value = _field(fields, source.removeprefix(BODY)) if source.startswith(BODY) else headers.get(source)
        if isinstance(value, str) and (value := value.strip()):
            read = _READERS.get((tells, source))
            if read is not None:
                value = read(value) or ""
            if value:
                yield source, value


def as_name(value: str, prefix: str = "session") -> str:
    """Return a name for ``value``: its own, or ``prefix`` and its digest if that can't be one."""
    try:
        return _NAME.validate_python(value)
    except ValidationError:
        return f"{prefix}-{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:32]}"


def _field(fields: Mapping[str, Any], path: str) -> Any:
    """Return the value at ``path`` (names with dots between), ``None`` if there is none."""
    value: Any = fields
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _trace_id(value: str) -> str | None:
    """Return the name of a W3C trace (``version-trace-parent-flags``)."""
    match = _TRACE.fullmatch(value.lower())
    return None if match is None else f"trace-{match[1]}"


def _of_one_conversation(value: str) -> str | None:
    """Return a cache key that was generated; one that somebody thought up is shared by many workflows."""
    generated = len(value) >= _LEAST_GENERATED and any(map(str.isdigit, value))
    return value if generated else None


def _agent_name(value: str) -> str | None:
    """Return the name in ``name`` or ``name@team``; one with a digit is generated, and names no stage."""
    name = value.partition("@")[0]
    return None if any(map(str.isdigit, name)) else name


def _smg_priority(value: str) -> str | None:
    """Return a class of SGLang's model gateway as a number; numbers are taken as they are."""
    if value.lower() in SMG_PRIORITIES:
        return str(SMG_PRIORITIES[value.lower()])
    return value if re.fullmatch(r"[+-]?\d{1,9}", value, re.ASCII) else None


def _if_true(value: str) -> str | None:
    return value if value.lower() in ("true", "1", "yes") else None


_READERS: Mapping[tuple[str, str], Callable[[str], str | None]] = {
    ("workflow", "traceparent"): _trace_id,
    ("workflow", "body.prompt_cache_key"): _of_one_conversation,
    ("stage", "x-claude-code-agent-id"): _agent_name,
    ("priority", "x-smg-priority"): _smg_priority,
    ("last", SESSION_FINAL): _if_true,
}
