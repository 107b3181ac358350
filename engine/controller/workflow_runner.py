"""Runs workflow programs from arrival to settlement."""

from __future__ import annotations

import asyncio
import logging

from engine.controller.calls import Place
from engine.controller.live_steps import LiveSteps, Services
from engine.controller.timeline import WorkflowRecord
from sched.errors import Failure, NotFoundError, SluiceError, failure_of
from sched.request import WorkflowSpec
from sched.workflow import WorkflowProgram

logger = logging.getLogger(__name__)


class WorkflowRunner:
    """Owns the tasks of running workflows.  ``timeout_seconds`` bounds a workflow's whole life."""

    def __init__(self, services: Services, timeout_seconds: float) -> None:
        self._services = services
        self._timeout = timeout_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(
        self, spec: WorkflowSpec, program: WorkflowProgram, keeps_outputs: bool = False
    ) -> WorkflowRecord:
        """Begin a workflow; its record settles when the program has returned or failed.

        With ``keeps_outputs`` the record has what the model wrote.

        Raises:
            UnavailableError: the server is draining.
            ConflictError: the id is in use.
        """
        record = self._services.controller.open_workflow(spec)
        record.keeps_outputs = keeps_outputs
        task = asyncio.create_task(self._run(record, program), name=f"workflow {spec.workflow_id}")
        self._tasks[spec.workflow_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(spec.workflow_id, None))
        return record

    async def wait(self, record: WorkflowRecord) -> None:
        """Wait for a workflow of this runner to settle; cancelling the waiter cancels the workflow."""
        task = self._tasks.get(record.spec.workflow_id)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def cancel(self, workflow_id: str, reason: str) -> None:
        """Give an open workflow up, whoever runs it.

        Raises:
            NotFoundError: no such workflow is open.
        """
        if not self._services.controller.records.is_open(workflow_id):
            raise NotFoundError(f"no workflow {workflow_id!r} is open", field="workflow_id")
        self._services.controller.cancel_workflow(workflow_id, reason)
        task = self._tasks.get(workflow_id)
        if task is not None:
            task.cancel()

    async def drain(self, grace_seconds: float) -> None:
        """Wait for what runs, at most ``grace_seconds``, then cancel the rest."""
        controller = self._services.controller
        controller.draining = True
        deadline = controller.clock() + grace_seconds
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=grace_seconds)
        await controller.drain(max(0.0, deadline - controller.clock()))
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, record: WorkflowRecord, program: WorkflowProgram) -> None:
        workflow_id = record.spec.workflow_id
        controller = self._services.controller
        try:
            async with asyncio.timeout(self._timeout):
                record.result = await program(LiveSteps(self._services, Place(record)))
        except asyncio.CancelledError:
            controller.cancel_workflow(workflow_id, "its client went away")
            raise
        except TimeoutError:
            message = f"the workflow took longer than {self._timeout:g} s"
            controller.end_workflow(workflow_id, Failure("timeout", message))
        except SluiceError as error:
            controller.end_workflow(workflow_id, failure_of(error))
        except Exception as error:
            logger.exception("workflow %s failed", workflow_id)
            message = f"{type(error).__name__}: {error}"
            controller.end_workflow(workflow_id, Failure("internal_error", message))
        else:
            controller.end_workflow(workflow_id)
