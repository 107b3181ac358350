"""The port for kinds of workflow: what answers a question put to this server's databases.

A kind is a plugin as policies are: ``--workflow`` names a shipped one or ``module:attribute``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from plugins.text2sql.linking.room import TokenCounter
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Profile
from plugins.text2sql.retrieval.retrieval import Retrieval
from plugins.text2sql.schema_source import SchemaSource
from sched.workflow import PlanStep, WorkflowProgram

SloSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class WorkflowRequest(BaseModel):
    """What every request may say.  ``database`` may be left out where there is only one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    database: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    slo_seconds: SloSeconds | None = Field(
        None, description="The deadline, from now; the default is the server's."
    )
    include_outputs: bool = Field(False, description="Show in the timeline what the model wrote.")
    stream: bool = Field(False, description="Answer with server-sent events while the workflow runs.")


@dataclass(frozen=True, slots=True)
class Resources:
    """What a kind can build on: the databases' schemas, how the model is asked, options, and look-ups."""

    schemas: SchemaSource
    profile: Profile
    options: Text2SqlOptions
    retrieval: Retrieval | None = None


class ServedWorkflow(Protocol):
    """A kind at work in a server.  ``request`` is of the kind's model; ``database`` is a known name.

    A class that derives from it inherits that nothing is prepared or checked.
    """

    def plan(self, request: Any) -> tuple[PlanStep, ...]:
        """Return the stages on the critical path with their expected visits; parallel calls count once."""
        ...

    def program(self, request: Any, database: str) -> WorkflowProgram:
        """Return the program; its result is a JSON-ready dictionary with the fields of the answer model.

        Raises:
            SluiceError: what the request asks can't be done, such as ``NotFoundError``: no such database.
        """
        ...

    def prepare(self, database: str) -> object:
        """Make ready what all requests to ``database`` share; at the start, may take seconds.

        Raises:
            NotFoundError: no such database.
        """
        return None

    async def check_context(self, database: str, context_tokens: int, count_tokens: TokenCounter) -> None:
        """Refuse prompts about ``database`` for which the model's context has no room.

        Raises:
            ConfigError: names the option and the remedy.
            NotFoundError: no such database.
        """
        return


@runtime_checkable
class WorkflowKind(Protocol):
    """A plugin.  ``name`` stands in traces and metrics.

    A class with parameters is a frozen dataclass of them, as a policy is: ``majority?temperature=0.5``.
    """

    @property
    def name(self) -> str:
        """What workflows of this kind are called."""
        ...

    @property
    def request(self) -> type[WorkflowRequest]:
        """The model of a request's body."""
        ...

    @property
    def answer(self) -> type[BaseModel]:
        """The model of the program's result; the server adds the workflow's facts to it."""
        ...

    def open(self, resources: Resources) -> ServedWorkflow:
        """Return the kind at work over ``resources``."""
        ...
