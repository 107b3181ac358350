"""What the prompts about one question show of the schema: all of it, or the linked tables."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.linking.linked_schema import FittedTables
from plugins.text2sql.linking.schema_linking import Linked
from plugins.text2sql.linking.wanted import Wanted
from plugins.text2sql.options import Job
from plugins.text2sql.prompts.layout import Topic
from sched.workflow import Segment, SegmentKind, Steps

WHOLE, LINKED = "whole", "linked"
_SHARED = frozenset({SegmentKind.TEMPLATE, SegmentKind.SCHEMA})
_MOST_NAMED = 10
_WITHOUT_QUOTES = str.maketrans("", "", '"`[]')

Build = Callable[[Topic], Sequence[Segment]]
"""Makes a prompt about a topic."""


class ShownSchema:
    """The schema as the prompts of ``job``, one question, show it.

    The whole schema is shown where it fits and costs less, as ``RentOrBuy`` has it, or where the
    options or the profile say so; otherwise the ``linked`` tables are, as far as they fit.  Each template
    decides once a question, so that siblings are shown the same.
    """

    def __init__(self, job: Job, linked: Linked, wanted: Wanted) -> None:
        self._job = job
        self._linked = linked
        self._wanted = wanted
        self._shapes: dict[str, str] = {}
        self._tables: set[str] = set()
        self._left_out: dict[str, None] = {}
        self._columns_left_out: dict[str, int] = {}
        self._lock = asyncio.Lock()

    @property
    def linked(self) -> Linked:
        """What schema linking found."""
        return self._linked

    @property
    def relevant(self) -> list[str]:
        """The linked tables, as far as there was room for them."""
        return [name for name in self._linked.tables if name not in self._left_out]

    async def topic(
        self,
        steps: Steps,
        stage: str,
        build: Build,
        answer_tokens: int,
        tables: Sequence[str] = (),
        style: str = "",
    ) -> Topic:
        """Return the topic of a prompt that ``build`` makes for ``stage``, with room for the answer.

        ``tables`` are shown instead of the linked ones.  Each ``style`` has a template of its own.
        """
        template = f"{stage} {style}".rstrip()
        job, linking = self._job, self._job.linking
        if job.shows_whole:
            return self._whole(template)
        room = await linking.room.left(build(replace(job.topic, tables=("",))), answer_tokens)
        fitted = await linking.fitted(tables or self._linked.names, self._wanted, room)
        linked = replace(job.topic, tables=tuple(table.text for table in fitted.tables))
        if await linking.whole_fits(room) and await self._takes_whole(steps, stage, template, build, linked):
            return self._whole(template)
        self._shapes[template] = LINKED
        self._note(fitted)
        return linked

    def describe(self) -> dict[str, Any]:
        """Return what was shown, JSON-ready: per template its shape, and how many ``tables`` ``of`` all."""
        return {
            "shapes": dict(self._shapes),
            "tables": len(self._tables),
            "of": len(self._job.schema.tables),
            "linking_calls": self._linked.calls,
            "notes": self._notes(),
        }

    async def _takes_whole(
        self, steps: Steps, stage: str, template: str, build: Build, linked: Topic
    ) -> bool:
        job, linking = self._job, self._job.linking
        if job.options.schema_shape == LINKED:
            return False
        if len(linked.tables) == len(job.schema.tables):
            return True
        async with self._lock:
            if template not in self._shapes:
                prompts = [build(job.topic), build(linked)]
                last = linking.last_shown.get(template)
                costs = await steps.prompt_seconds(stage, [*prompts, *([last] if last else [])])
                takes = linking.shapes.takes_whole(
                    template, costs[0], costs[1], costs[2] if last is not None else None
                )
                linking.last_shown[template] = _beginning(prompts[0 if takes else 1])
                self._shapes[template] = WHOLE if takes else LINKED
            return self._shapes[template] == WHOLE

    def _whole(self, template: str) -> Topic:
        self._shapes[template] = WHOLE
        self._tables.update(table.name for table in self._job.schema.tables)
        return self._job.topic

    def _note(self, fitted: FittedTables) -> None:
        self._tables.update(fitted.names)
        self._left_out |= dict.fromkeys(fitted.left_out)
        for table in fitted.tables:
            if table.left_out:
                most = max(table.left_out, self._columns_left_out.get(table.name, 0))
                self._columns_left_out[table.name] = most

    def _notes(self) -> list[str]:
        notes = list(self._linked.notes)
        if self._left_out:
            names = list(self._left_out)
            more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
            listed = ", ".join([*names[:_MOST_NAMED], *more])
            notes.append(f"tables left out, for which the model's context has no room: {listed}")
        for name, count in self._columns_left_out.items():
            notes.append(f"{count} columns of {name} left out, for which the model's context has no room")
        return notes


def tables_in(schema: DatabaseSchema, text: str) -> list[str]:
    """Return the tables that ``text``, one or more statements, names: bare or in quotes, in any case."""
    said = text.translate(_WITHOUT_QUOTES).lower()
    return [table.name for table in schema.tables if _names(said, table.name)]


def _names(said: str, table: str) -> bool:
    name = table.translate(_WITHOUT_QUOTES).lower()
    # The look before it is much faster: few tables of hundreds are named.
    return name in said and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) is not None


def _beginning(prompt: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the template and the schema of a prompt."""
    return tuple(takewhile(lambda segment: segment.kind in _SHARED, prompt))
