"""Questions to databases: ``/v1/text2sql``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import create_model

from engine.controller.timeline import WorkflowRecord
from launch.api.answer_models import WorkflowFacts
from launch.api.error_answers import error_body, error_docs, error_response
from launch.api.replies import JsonResponse, JsonRoute, event_stream, sse, stream_docs, until_disconnected
from launch.api.services import ApiServices, Services
from plugins.workflow_kind import WorkflowKind, WorkflowRequest
from sched.errors import InvalidRequestError, NotFoundError, SluiceError, UnavailableError, error_for
from sched.request import WorkflowSpec

WORKFLOW_HEADER = "x-workflow-id"


def router(kind: WorkflowKind) -> APIRouter:
    """Return the routes of a server whose workflow is of ``kind``, with the kind's models."""
    routes = APIRouter(route_class=JsonRoute, prefix="/v1", tags=["Text-to-SQL"])

    async def answer_question(body: WorkflowRequest, request: Request, services: Services) -> Response:
        """Answer a question about a database with SQL and the rows it gives.

        The status is 200 with `status` `no_sql_ran` and `sql` null when no candidate's SQL could be run, with
        `empty` when it ran and gave no rows, with `not_run` when it was only checked (`execute` false), and
        with `not_understood` when the question speaks of nothing in the database.  The header `x-workflow-id`
        names the workflow.  If the client goes away, the workflow is cancelled.
        """
        spec = _spec(services, body)
        headers = {WORKFLOW_HEADER: spec.workflow_id}
        if body.stream:
            events = _events(services, body, spec)
            return await event_stream(request, events, partial(_error_event, spec.workflow_id), headers)
        record = _start(services, body, spec)
        try:
            await until_disconnected(request.receive, services.runner.wait(record))
            return JsonResponse(_answer(record), headers=headers)
        except SluiceError as error:
            return error_response(error, headers)

    # FastAPI reads the body's model from the annotation; only here is it known.
    answer_question.__annotations__["body"] = kind.request
    routes.post(
        "/text2sql",
        name="text2sql",
        response_model=create_model("QuestionAnswer", __base__=(kind.answer, WorkflowFacts)),
        responses=stream_docs(
            "with `stream` the events `workflow` (its id), `step` (an entry of the timeline, each time it "
            "changes) and at last `result` (the answer) or `error`"
        )
        | error_docs(400, 404, 408, 409, 413, 422, 429, 499, 502, 503, 504),
    )(answer_question)
    return routes


def _spec(services: ApiServices, body: WorkflowRequest) -> WorkflowSpec:
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


def _start(services: ApiServices, body: WorkflowRequest, spec: WorkflowSpec) -> WorkflowRecord:
    assert spec.database is not None
    program = services.workflow.program(body, spec.database)
    return services.runner.start(spec, program, body.include_outputs)


async def _events(
    services: ApiServices, body: WorkflowRequest, spec: WorkflowSpec
) -> AsyncGenerator[bytes, None]:
    record = _start(services, body, spec)
    shown: dict[int, dict[str, Any]] = {}
    try:
        begun = {
            "workflow_id": spec.workflow_id,
            "database": spec.database,
            "slo_seconds": spec.slo_seconds,
        }
        yield sse(begun, "workflow")
        async with aclosing(record.follow()) as entries:
            async for entry in entries:
                step = asdict(entry)
                if step != shown.get(entry.index):
                    shown[entry.index] = step
                    yield sse(step, "step")
        yield sse(_answer(record), "result")
    finally:
        if record.seconds is None:
            services.runner.cancel(spec.workflow_id, "its client went away")


def _error_event(workflow_id: str, error: SluiceError) -> bytes:
    return sse({"workflow_id": workflow_id} | error_body(error), "error")


def _answer(record: WorkflowRecord) -> dict[str, Any]:
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
