"""Which workflow a call belongs to: said in the body, in our headers, or by what agents send anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.controller.external_workflows import WorkflowTag
from launch.api.agents.agent_names import PARENTS, as_name, found
from launch.api.bodies import WorkflowBody
from sched.errors import InvalidRequestError

PREFIX = "x-sluice-"
"""``x-sluice-workflow-id`` and ``x-sluice-`` with each other field of the body's ``workflow``."""

_FIELDS = {
    PREFIX + ("workflow-id" if name == "id" else name.replace("_", "-")): name
    for name in WorkflowBody.model_fields
}
_NOTHING: Mapping[str, Any] = {}


def workflow_tag(
    headers: Mapping[str, str], workflow: WorkflowBody, labels: Mapping[str, Any] = _NOTHING
) -> WorkflowTag:
    """Return the workflow of a call.

    ``headers`` has lower-case names.  A field of ``workflow`` that the client set comes before the header of
    that name.  What neither says is looked for among other headers and ``labels``, the body's other fields
    that the client set (``agents/agent_names.py``).

    Raises:
        InvalidRequestError: a header of ours is unknown or wrong, or siblings share no workflow.
    """
    fields = _from_headers(headers)
    if fields:
        given = {name: getattr(workflow, name) for name in workflow.model_fields_set}
        workflow = workflow.model_copy(update=fields | {k: v for k, v in given.items() if v is not None})
    said = workflow.model_fields_set

    def first(tells: str) -> tuple[str, str]:
        return next(found(tells, headers, labels), ("", ""))

    workflow_id, source = workflow.id, ""
    if workflow_id is None:
        source, value = first("workflow")
        workflow_id = as_name(value) if value else None
    if workflow_id is None and workflow.siblings > 1:
        raise InvalidRequestError("siblings need a workflow they share: give its id", field="workflow.id")
    stage, tenant = first("stage")[1], first("tenant")[1]
    # The end of a sub-agent's session is not its parent's.
    last = workflow.last or (bool(source) and source not in PARENTS and bool(first("last")[1]))
    return WorkflowTag(
        workflow_id=workflow_id,
        stage=workflow.stage if "stage" in said or not stage else as_name(stage, "stage"),
        slo_seconds=workflow.slo_seconds,
        siblings=workflow.siblings,
        database=workflow.database,
        tenant=workflow.tenant if "tenant" in said or not tenant else as_name(tenant, "tenant"),
        last=last,
        session=bool(source),
        stage_said="stage" in said or bool(stage),
        priority=int(first("priority")[1] or 0),
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
