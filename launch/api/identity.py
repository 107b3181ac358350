"""Which workflow a call belongs to: said in the body, in our headers, or by what agents send anyway."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from engine.controller.external_workflows import WorkflowTag
from launch.api.bodies import Name, WorkflowBody
from sched.errors import InvalidRequestError

PREFIX = "x-sluice-"
"""``x-sluice-workflow-id`` and ``x-sluice-`` with each other field of the body's ``workflow``."""

SESSION_HEADERS = (
    "x-dynamo-parent-session-id",  # before the session's own: a sub-agent's calls gate its parent's answer
    "x-dynamo-session-id",
    "x-session-id",
    "session-id",
    "x-session-affinity",
    "x-smg-routing-key",
)
"""Headers by which agents and gateways name what a call belongs to; the first that is there counts."""

_FIELDS = {
    PREFIX + ("workflow-id" if name == "id" else name.replace("_", "-")): name
    for name in WorkflowBody.model_fields
}
_NAME: TypeAdapter[str] = TypeAdapter(Name)


def workflow_tag(
    headers: Mapping[str, str], workflow: WorkflowBody, program_id: str | None = None
) -> WorkflowTag:
    """Return the workflow of a call.

    ``headers`` has lower-case names.  A field of ``workflow`` that the client set comes before the header of
    that name.  Without an id from either, ``program_id`` or a session header names the workflow.

    Raises:
        InvalidRequestError: a header is unknown or wrong, or siblings share no workflow.
    """
    fields = _from_headers(headers)
    if fields:
        given = {name: getattr(workflow, name) for name in workflow.model_fields_set}
        workflow = workflow.model_copy(update=fields | {k: v for k, v in given.items() if v is not None})
    workflow_id, session = workflow.id, None
    if workflow_id is None:
        session = program_id or next(filter(None, map(headers.get, SESSION_HEADERS)), None)
        workflow_id = None if session is None else _as_name(session)
    if workflow_id is None and workflow.siblings > 1:
        raise InvalidRequestError("siblings need a workflow they share: give its id", field="workflow.id")
    return WorkflowTag(
        workflow_id=workflow_id,
        stage=workflow.stage,
        slo_seconds=workflow.slo_seconds,
        siblings=workflow.siblings,
        database=workflow.database,
        tenant=workflow.tenant,
        last=workflow.last,
        session=session is not None,
    )


def _from_headers(headers: Mapping[str, str]) -> dict[str, object]:
    """Return the fields of ``workflow`` that headers set.

    Raises:
        InvalidRequestError: a header with our prefix is unknown, or its value is no such field's.
    """
    sent = {name: value for name, value in headers.items() if name.startswith(PREFIX)}
    if not sent:
        return {}
    for name in sent.keys() - _FIELDS.keys():
        known = ", ".join(_FIELDS)
        raise InvalidRequestError(f"{name}: unknown header; known are: {known}", field=name)
    try:
        workflow = WorkflowBody.model_validate_strings({_FIELDS[name]: value for name, value in sent.items()})
    except ValidationError as error:
        problem = error.errors()[0]
        header = next(name for name, field in _FIELDS.items() if field == problem["loc"][0])
        raise InvalidRequestError(f"{header}: {problem['msg']}", field=header) from error
    return {name: getattr(workflow, name) for name in workflow.model_fields_set}


def _as_name(session: str) -> str:
    """Return a workflow's name for a session: its own, or its digest if that can't be one.

    Whoever sends a session id didn't have our rule for names in mind: nothing is refused here.
    """
    try:
        return _NAME.validate_python(session)
    except ValidationError:
        return f"session-{hashlib.sha256(session.encode()).hexdigest()[:32]}"
