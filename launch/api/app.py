"""The FastAPI application of a controller."""

from __future__ import annotations

import tomllib
from pathlib import Path

from fastapi import FastAPI

from launch.api import error_answers
from launch.api.guard import MAX_BODY_BYTES, Guard
from launch.api.hosts import AllowedHosts
from launch.api.native import generate, runtimes, token_routes
from launch.api.openai import openai_routes
from launch.api.responses import responses_routes
from launch.api.routes import database_routes, health, learned, text2sql, workflows
from launch.api.services import ApiServices
from launch.api.work_bounds import BoundedWork, WorkBounds

_DESCRIPTION = """
Agentic Text-to-SQL on SGLang runtimes.  Ask with `/v1/text2sql`, or bring your own workflow to SGLang's
`/generate` or OpenAI's routes.  Every error has the form
`{"error": {"code", "message", "field"?, "retry_after"?}}`, on OpenAI's routes OpenAI's form.
"""


def create_app(
    services: ApiServices,
    hosts: AllowedHosts,
    max_body_bytes: int = MAX_BODY_BYTES,
    bounds: WorkBounds | None = None,
) -> FastAPI:
    """Return the application over ``services``, which may be asked by the names in ``hosts``.

    Run it in the event loop that the services belong to.
    """
    app = FastAPI(title="Sluice", version=_version(), description=_DESCRIPTION, strict_content_type=False)
    app.state.services = services
    responded = services.metrics.meters.responded
    app.add_middleware(BoundedWork, bounds=bounds or WorkBounds(), max_body_bytes=max_body_bytes)
    # The last one is the outermost.
    app.add_middleware(Guard, max_body_bytes=max_body_bytes, responded=responded, hosts=hosts)
    error_answers.install(app)
    # They are tried in this order: the busiest come first.
    questions = text2sql.router(services.kind)
    native = (generate.router, openai_routes.router, responses_routes.router)
    others = (database_routes, workflows, health, runtimes, token_routes, learned)
    for router in (*native, questions, *(module.router for module in others)):
        app.include_router(router)
    return app


def _version() -> str:
    """Return the version of this checkout, the only place that Sluice runs from."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])
