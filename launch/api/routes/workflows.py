"""Workflows, running and lately ended: list, look at, change, cancel."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Response

from engine.controller.timeline import RUN_OUTSIDE, WorkflowRecord
from launch.api.answer_models import WorkflowDetail, WorkflowList, WorkflowSummary
from launch.api.bodies import WorkflowChange
from launch.api.error_answers import error_docs
from launch.api.replies import JsonResponse, JsonRoute
from launch.api.services import ApiServices, Services
from sched.errors import ConflictError, NotFoundError

router = APIRouter(route_class=JsonRoute, prefix="/v1/workflows", tags=["Workflows"])


@router.get("", response_model=WorkflowList, responses=error_docs(422))
async def workflows(services: Services, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
    """List workflows, newest first, running ones before those that have ended and are still in memory."""
    summaries = services.controller.records.summaries(limit)
    return JsonResponse({"workflows": [orjson.Fragment(summary) for summary in summaries]})


@router.get("/{workflow_id}", response_model=WorkflowDetail, responses=error_docs(404, 422))
async def workflow(workflow_id: str, services: Services) -> Response:
    """Show a workflow: its outcome, and each call with where it ran and why there."""
    return JsonResponse(_find(services, workflow_id).as_dict())


@router.patch("/{workflow_id}", response_model=WorkflowSummary, responses=error_docs(400, 404, 409, 413, 422))
async def change(workflow_id: str, body: WorkflowChange, services: Services) -> Response:
    """Give a running workflow another deadline, counted from its arrival.

    Its calls that haven't started take the place of the new deadline, also in their runtime's own queue.
    """
    record = _running(services, workflow_id)
    services.controller.change_deadline(workflow_id, body.slo_seconds)
    return JsonResponse(record.summary())


@router.delete("/{workflow_id}", response_model=WorkflowSummary, responses=error_docs(404, 409, 422))
async def cancel(workflow_id: str, services: Services) -> Response:
    """Cancel a running workflow; its calls are aborted on their runtimes."""
    record, why = _running(services, workflow_id), "it was cancelled by DELETE /v1/workflows"
    if record.spec.kind in RUN_OUTSIDE:  # it may have thousands of calls, and no program to heed their ends
        await services.controller.cancel_calls(why, record)
    if record.seconds is None:
        services.runner.cancel(workflow_id, why)
    return JsonResponse(record.summary())


def _find(services: ApiServices, workflow_id: str) -> WorkflowRecord:
    records = services.controller.records
    record = records.get(workflow_id)
    if record is None and records.has_expired(workflow_id):
        raise NotFoundError(
            f"workflow {workflow_id!r} has ended and expired: later ones took its room; --kept-bytes and "
            "--journal-bytes give more",
            field="workflow_id",
        )
    if record is None:
        raise NotFoundError(
            f"there is no workflow {workflow_id!r}, or it ended long ago", field="workflow_id"
        )
    return record


def _running(services: ApiServices, workflow_id: str) -> WorkflowRecord:
    record = _find(services, workflow_id)
    if record.seconds is not None:
        raise ConflictError(f"workflow {workflow_id!r} has ended: it is {record.state}", field="workflow_id")
    return record
