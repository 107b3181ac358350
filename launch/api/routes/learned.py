"""What the server has learned, and how it tunes itself by that."""

from __future__ import annotations

from fastapi import APIRouter, Response

from launch.api.error_answers import error_docs
from launch.api.replies import JsonResponse, JsonRoute
from launch.api.services import ApiServices, Services
from launch.controller.live_tuner import LiveTuner
from sched.errors import ConflictError
from sched.predict.profile_store import described

router = APIRouter(route_class=JsonRoute, prefix="/v1", tags=["Learning"])


@router.get("/profiles")
async def profiles(services: Services) -> Response:
    """Show what is expected of each stage: tokens, seconds of SQL, visits per workflow.

    An entry without a database, or without a kind, is what stands in where nothing closer is known.
    """
    profile = services.controller.profile
    return JsonResponse({"profiles": described(profile)})


@router.get("/tuning")
async def tuning(services: Services) -> Response:
    """Show the placement policy's present setting, the latest round of tuning, and what was changed."""
    return JsonResponse(services.tuner.describe() if services.tuner else {"enabled": False})


@router.post("/tuning/revert", responses=error_docs(409))
async def revert(services: Services) -> Response:
    """Go back to the setting before the latest change."""
    _tuner(services).revert("it was reverted by POST /v1/tuning/revert")
    return JsonResponse(_tuner(services).describe())


def _tuner(services: ApiServices) -> LiveTuner:
    if services.tuner is None:
        raise ConflictError("this server doesn't tune itself")
    return services.tuner
