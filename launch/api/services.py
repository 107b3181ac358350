"""What the HTTP routes stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from engine.controller.controller import Controller
from engine.controller.external_workflows import ExternalWorkflows
from engine.controller.prompt_encoder import PromptEncoder
from engine.controller.workflow_runner import WorkflowRunner
from launch.api.agents.recogniser import Recogniser
from launch.api.metrics.metrics_page import Metrics
from launch.api.openai.served_model import ServedModel
from launch.api.responses.response_store import ResponseStore
from launch.controller.live_tuner import LiveTuner
from launch.served_databases import ServedDatabase
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.workflow_kind import ServedWorkflow, WorkflowKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The parts of a controller process that the routes use.

    ``model_info`` is what ``/get_model_info`` answers.  ``databases`` returns those that questions
    can name, ``schema`` what is in one of them.  ``default_slo_seconds`` holds for a question that names
    none.  ``workflow`` is of ``kind`` and answers questions.  Without a ``recogniser``, calls that tag
    nothing stand alone.  ``responses`` are those that later ones may refer to.
    """

    controller: Controller
    runner: WorkflowRunner
    external: ExternalWorkflows
    encoder: PromptEncoder
    model_info: Mapping[str, Any]
    databases: Callable[[], Sequence[ServedDatabase]]
    schema: Callable[[str], DatabaseSchema]
    default_slo_seconds: float
    kind: WorkflowKind
    workflow: ServedWorkflow
    metrics: Metrics
    model: ServedModel
    tuner: LiveTuner | None = None
    recogniser: Recogniser | None = None
    responses: ResponseStore = field(default_factory=ResponseStore)


async def _services(request: Request) -> ApiServices:
    return cast(ApiServices, request.app.state.services)


Services = Annotated[ApiServices, Depends(_services)]
"""A route's parameter of this type receives the app's services."""
