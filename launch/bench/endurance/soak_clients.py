"""The clients of a soak: workflows of a few calls, some given up, some too hasty, each answer checked."""

from __future__ import annotations

import asyncio
import itertools
import random
from array import array
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from engine.controller.calls import CallRequest, CallResult, Place
from engine.controller.controller import Controller
from engine.controller.prompt_encoder import EncodedPrompt, prompt_from_ids
from launch.bench.endurance.faulty_runtimes import echo
from sched.errors import SluiceError
from sched.request import WorkflowSpec

_TEMPLATE_TOKENS = 96
_TEMPLATES = 8
_FIRST_ID = 1_000
_OWN_IDS = 2**31
_KINDS = ("question", "report", "check")
_STAGES = ("plan", "draft", "revise", "select")
_SIBLINGS = 3


class SoakClients:
    """Runs workflows on ``controller`` and counts how their calls end.

    ``began`` is told of each call.  ``outcomes``: calls by their end; every call has exactly one.
    """

    def __init__(self, controller: Controller, rng: random.Random, began: Callable[[], None]) -> None:
        self.outcomes = Counter[str]()
        self.calls = 0
        self.workflows = Counter[str]()
        self._controller = controller
        self._rng = rng
        self._began = began
        self._numbers = itertools.count()

    async def calls_made(self, calls: int, clients: int) -> None:
        """Have ``clients`` run workflows side by side until ``calls`` more calls were made."""
        until = self.calls + calls
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(until))

    async def _client(self, until: int) -> None:
        while self.calls < until:
            await self._workflow()

    async def _workflow(self) -> None:
        name = f"w{next(self._numbers)}"
        hasty = self._rng.random() < 0.05
        spec = WorkflowSpec(
            workflow_id=name,
            slo_seconds=self._rng.uniform(0.0, 0.05) if hasty else 600.0,
            kind=self._rng.choice(_KINDS),
            database=f"db{self._rng.randrange(4)}",
            firm=hasty or self._rng.random() < 0.5,
        )
        try:
            record = self._controller.open_workflow(spec)
        except SluiceError as error:
            self.workflows[error.code] += 1
            self.calls += 1
            return
        fate = self._rng.random()
        if fate < 0.03:
            asyncio.get_running_loop().call_soon(self._cancel, name)
        try:
            await self._call(Place(record), "plan")
            self._controller.open_join(name, "1", _SIBLINGS)
            branches = [Place(record, "1", _SIBLINGS, i, ends_branch=True) for i in range(_SIBLINGS)]
            await asyncio.gather(*(self._call(branch, "draft") for branch in branches))
            if fate > 0.5:
                await self._call(Place(record), "select")
        finally:
            self.workflows["ended"] += 1
            self._controller.end_workflow(name)

    def _cancel(self, name: str) -> None:
        if self._controller.records.is_open(name):
            self.workflows["cancelled"] += 1
            self._controller.cancel_workflow(name, "its client changed its mind")

    async def _call(self, place: Place, stage: str) -> None:
        self.calls += 1
        self._began()
        prompt = self._prompt()
        request = CallRequest(
            place=place,
            stage=stage,
            prompt=prompt,
            sampling={},
            max_new_tokens=8,
            stream=self._rng.random() < 0.1,
        )
        call = asyncio.ensure_future(self._answered(request))
        if self._rng.random() < 0.03:
            asyncio.get_running_loop().call_later(self._rng.uniform(0.0, 0.01), call.cancel)
        try:
            text = await call
        except asyncio.CancelledError:
            self.outcomes["disconnected"] += 1
        except SluiceError as error:
            self.outcomes[error.code] += 1
        else:
            self.outcomes["answered" if text == echo(prompt.token_ids) else "wrong answer"] += 1

    async def _answered(self, request: CallRequest) -> str:
        if not request.stream:
            return (await self._controller.generate(request)).answer.text
        stream: AsyncGenerator[object, None] = self._controller.stream(request)
        text = ""
        async with aclosing(stream) as parts:
            async for part in parts:
                if isinstance(part, CallResult):
                    text = part.answer.text
        return text

    def _prompt(self) -> EncodedPrompt:
        template = self._rng.randrange(_TEMPLATES)
        own = divmod(next(self._numbers), 1_000)
        ids = array("i", [_FIRST_ID + template] * _TEMPLATE_TOKENS)
        ids.extend([own[0], own[1], template, self._rng.randrange(_OWN_IDS)] * 8)
        return prompt_from_ids(ids)
