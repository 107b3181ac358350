"""Whether the server lives, is ready, and what it runs on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from launch.api.answer_models import Health, ModelInfo, Readiness, VersionAnswer, Workers
from launch.api.error_answers import error_docs
from launch.api.replies import JsonResponse
from launch.api.services import Services
from sched.errors import UnavailableError

router = APIRouter(tags=["Server"])

_RETRY_AFTER_SECONDS = 2.0


@router.get("/health", response_model=Health, responses=error_docs(503))
async def health(services: Services) -> Response:
    """Say whether at least one runtime is up."""
    if not len(services.controller.workers):
        raise UnavailableError("no runtime is up", retry_after=_RETRY_AFTER_SECONDS)
    return JsonResponse({"status": "ok"})


@router.get("/liveness", response_model=Health)
async def liveness() -> Response:
    """Say that the process answers."""
    return JsonResponse({"status": "ok"})


@router.get("/version", response_model=VersionAnswer)
async def version(request: Request) -> Response:
    """Say which version of Sluice answers."""
    return JsonResponse({"version": request.app.version})


@router.get("/ready", include_in_schema=False)
@router.get("/readiness", response_model=Readiness, responses=error_docs(503))
async def readiness(services: Services) -> Response:
    """Say whether new work is taken: 200 while at least one runtime serves.

    `degraded` is true, and `missing` names them, if other runtimes don't; `journal` says why it can't be
    written, if it can't.
    """
    controller = services.controller
    if controller.draining:
        raise UnavailableError("the server is shutting down", retry_after=_RETRY_AFTER_SECONDS)
    missing = controller.workers.missing
    if not len(controller.workers):
        raise UnavailableError(f"not up: runtime {', '.join(missing)}", retry_after=_RETRY_AFTER_SECONDS)
    trouble = journal_health(controller.records.journal_trouble)
    return JsonResponse({"status": "ok", "degraded": bool(missing), "missing": missing} | trouble)


def journal_health(trouble: str | None) -> dict[str, Any]:
    """Return what a probe says of the journal: nothing while it can be written."""
    return {} if trouble is None else {"journal": {"state": "failing", "reason": trouble}}


@router.get("/get_model_info", include_in_schema=False)
@router.get("/model_info", response_model=ModelInfo)
async def model_info(services: Services) -> Response:
    """Describe the model, under SGLang's names."""
    return JsonResponse(dict(services.model_info))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(services: Services) -> Response:
    """Return the server's metrics in Prometheus' text format.

    `sluice_*` are the scheduler's: workflows, calls by stage, placements, predictions, runtimes, SQL, HTTP.
    `sglang:*` are SGLang's own, with a label `runtime`; those of a runtime that doesn't answer are left out.
    """
    return Response(await services.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/workers", response_model=Workers)
async def workers(services: Services) -> Response:
    """Describe each runtime, its load, the proof that our ordering is live in it, and what it is believed to
    cache: as it reports or as guessed, and how far that was off for its latest calls."""
    described = services.controller.fleet.describe()
    return JsonResponse({"workers": described, "total": len(described)})
