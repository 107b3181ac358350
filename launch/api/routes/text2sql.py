"""Questions to databases: ``/v1/text2sql``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import create_model

from launch.api.answer_models import WorkflowFacts
from launch.api.error_answers import error_body, error_docs, error_response
from launch.api.question_workflows import answer_of, question_spec, started
from launch.api.replies import JsonResponse, JsonRoute, event_stream, sse, stream_docs, until_disconnected
from launch.api.services import ApiServices, Services
from plugins.workflow_kind import WorkflowKind, WorkflowRequest
from sched.errors import SluiceError
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
        spec = question_spec(services, body)
        headers = {WORKFLOW_HEADER: spec.workflow_id}
        if body.stream:
            events = _events(services, body, spec)
            return await event_stream(request, events, partial(_error_event, spec.workflow_id), headers)
        record = started(services, body, spec)
        try:
            await until_disconnected(request.receive, services.runner.wait(record))
            return JsonResponse(answer_of(record), headers=headers)
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


async def _events(
    services: ApiServices, body: WorkflowRequest, spec: WorkflowSpec
) -> AsyncGenerator[bytes, None]:
    record = started(services, body, spec)
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
        yield sse(answer_of(record), "result")
    finally:
        if record.seconds is None:
            services.runner.cancel(spec.workflow_id, "its client went away")


def _error_event(workflow_id: str, error: SluiceError) -> bytes:
    return sse({"workflow_id": workflow_id} | error_body(error), "error")
