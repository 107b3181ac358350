"""A question as a workflow: how it is described, begun and answered, whichever route it came by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from engine.controller.timeline import WorkflowRecord
from launch.api.services import ApiServices
from plugins.workflow_kind import WorkflowRequest
from sched.errors import InvalidRequestError, NotFoundError, UnavailableError, error_for
from sched.request import WorkflowSpec

KEEP_ALIVE_SECONDS = 10.0
"""A stream says something at least so often, lest a proxy takes it for dead."""


def question_spec(services: ApiServices, body: WorkflowRequest) -> WorkflowSpec:
    """Return the workflow of a question.

    Raises:
        InvalidRequestError: no database is named and there isn't exactly one.
        NotFoundError: no such database.
        UnavailableError: it can't be asked now, whatever is known of its schema.
    """
    listed = {database.name: database for database in services.databases()}
    names = list(listed)
    known = ", ".join(names) or "none"
    database = body.database
    if database is None:
        if len(names) != 1:
            raise InvalidRequestError(f"name a database; known are: {known}", field="database")
        database = names[0]
    elif database not in names:
        raise NotFoundError(f"there is no database {database!r}; known are: {known}", field="database")
    if listed[database].state == "unavailable":
        raise UnavailableError(f"database {database!r}: {listed[database].reason}", field="database")
    return WorkflowSpec(
        workflow_id=f"question-{uuid4().hex[:16]}",
        slo_seconds=body.slo_seconds or services.default_slo_seconds,
        kind=services.kind.name,
        database=database,
        plan=services.workflow.plan(body),
        firm=body.slo_seconds is not None,
    )


def started(services: ApiServices, body: WorkflowRequest, spec: WorkflowSpec) -> WorkflowRecord:
    """Begin the workflow of a question.

    Raises:
        SluiceError: it can't be done as it is asked for, or isn't admitted.
    """
    assert spec.database is not None
    program = services.workflow.program(body, spec.database)
    return services.runner.start(spec, program, body.include_outputs)


async def watched(
    services: ApiServices, body: WorkflowRequest, spec: WorkflowSpec
) -> AsyncGenerator[WorkflowRecord | None, None]:
    """Begin the workflow of a question and yield its record once it has settled.

    Before, yield ``None`` at once and at least every ``KEEP_ALIVE_SECONDS``.  Closing it cancels the
    workflow.

    Raises:
        SluiceError: as :func:`started`.
    """
    record = started(services, body, spec)
    waiting = asyncio.ensure_future(services.runner.wait(record))
    try:
        yield None
        # Bounded by the time limit of the workflow.
        while not (await asyncio.wait({waiting}, timeout=KEEP_ALIVE_SECONDS))[0]:
            yield None
        yield record
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if record.seconds is None:
            services.runner.cancel(spec.workflow_id, "its client went away")


def answer_of(record: WorkflowRecord) -> dict[str, Any]:
    """Return the answer of a settled workflow.

    Raises:
        SluiceError: it failed or was cancelled.
    """
    if record.failure is not None:
        raise error_for(record.failure)
    return dict(record.result or {}) | {
        "workflow_id": record.spec.workflow_id,
        "database": record.spec.database,
        "seconds": record.seconds,
        "slo_seconds": record.spec.slo_seconds,
        "deadline_met": record.deadline_met,
        "timeline": [asdict(entry) for entry in record.entries],
    }
