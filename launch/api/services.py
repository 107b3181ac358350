"""What the HTTP routes stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, cast

from fastapi import Depends, Request

from engine.controller.controller import Controller
from engine.controller.external_workflows import ExternalWorkflows
from engine.controller.prompt_encoder import PromptEncoder
from engine.controller.workflow_runner import WorkflowRunner
from launch.api.metrics.metrics_page import Metrics
from launch.api.openai.model import ServedModel
from launch.controller.live_tuner import LiveTuner
from sched.workflow import PlanStep, WorkflowProgram


class Text2SqlFactory(Protocol):
    """Makes the workflow that answers a question; implemented by ``plugins/text2sql``."""

    def plan(self, candidates: int | None) -> tuple[PlanStep, ...]:
        """Return the stages on the critical path with their expected visits."""
        ...

    def program(self, question: str, database: str, candidates: int | None) -> WorkflowProgram:
        """Return the program; its result is a dictionary with the fields of ``answers.SqlAnswer``.

        Raises:
            NotFoundError: no such database.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The parts of a controller process that the routes use.

    ``model_info`` is what ``/get_model_info`` answers.  ``databases`` returns the names that questions
    can ask.  ``default_slo_seconds`` holds for a question that names none.
    """

    controller: Controller
    runner: WorkflowRunner
    external: ExternalWorkflows
    encoder: PromptEncoder
    model_info: Mapping[str, Any]
    databases: Callable[[], list[str]]
    default_slo_seconds: float
    text2sql: Text2SqlFactory
    metrics: Metrics
    model: ServedModel
    tuner: LiveTuner | None = None


async def _services(request: Request) -> ApiServices:
    return cast(ApiServices, request.app.state.services)


Services = Annotated[ApiServices, Depends(_services)]
"""A route's parameter of this type receives the app's services."""
