"""What prompts show, decided over a real controller and wire; the runtime is simulated."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from engine.controller.calls import Place
from engine.controller.live_steps import LiveSteps, Services
from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema, render
from plugins.text2sql.jobs import Jobs
from plugins.text2sql.linking.schema_linking import Linked
from plugins.text2sql.linking.shown_schema import ShownSchema
from plugins.text2sql.linking.wanted import Wanted
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.prompts.layout import Topic
from plugins.workflow_kind import Resources
from sched.predict.latency import LatencyModel
from sched.request import WorkflowSpec
from sched.workflow import GenerateParams, Generation, Segment
from tests.engine.cache_traffic import controlled
from tests.engine.worker_process import StartWorker
from tests.plugins.text2sql.linking.warehouse import encoder, schema, table

NAMES = [f"table_{letter}" for letter in "abcdefghijkl"]
TABLES = schema(
    *(table(name, ("id", *(f"{name}_column_{n}" for n in range(20)))) for name in NAMES),
)


class OneSchema:
    """A source of one schema."""

    def schema(self, name: str) -> DatabaseSchema:
        return TABLES


class Asker:
    """Asks one question after another."""

    def __init__(self, services: Services) -> None:
        self.tokens = services.encoder
        self._services = services
        self._job = Jobs(Resources(OneSchema(), Compact(), Text2SqlOptions())).of("letters")
        self._asked = 0

    async def ask(self, *tables: str) -> tuple[str, Generation]:
        """Judge the test of a question that needs ``tables``; return the shape and the answer."""
        self._asked += 1
        job = self._job.asked(f"Which question is number {self._asked}?")
        spec = WorkflowSpec(workflow_id=f"w{self._asked}", slo_seconds=600.0, kind="text2sql")
        steps = LiveSteps(self._services, Place(self._services.controller.open_workflow(spec)))
        shown = ShownSchema(job, Linked(list(tables), []), Wanted())

        def build(topic: Topic) -> list[Segment]:
            return job.prompts.evaluation(topic, "Candidate 1:\nSELECT 1\n", "It counts.")

        prompt = build(await shown.topic(steps, stages.EVALUATE, build, 8))
        answer = await steps.generate(stages.EVALUATE, prompt, GenerateParams(8, {"temperature": 0.0}))
        self._services.controller.end_workflow(spec.workflow_id)
        return shown.describe()["shapes"][stages.EVALUATE], answer

    async def shared(self, *tables: str) -> int:
        """Return the tokens of the template and of ``tables``, or of the whole schema."""
        texts = tuple(render(TABLES, [name]) for name in tables)
        topic = replace(self._job.topic, tables=texts)
        prompt = self._job.prompts.evaluation(topic, "", "")
        return (await self.tokens.encode(prompt)).shared_tokens


@pytest.fixture
def known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the controller learn no speed, so that a busy machine decides nothing."""
    for learns in ("observe", "observe_passes", "observe_prefill", "observe_decode"):
        monkeypatch.setattr(LatencyModel, learns, lambda *_, **__: None)


@pytest.mark.usefixtures("known_speed")
async def test_linked_prompts_share_beginnings_until_the_whole_schema_is_cheaper(
    worker: StartWorker, endpoint: str
) -> None:
    """Cached tokens grow by the tables that questions share; then the whole is computed once, and stays."""
    speed = {"prefill_tokens_per_second": 2e4, "decode_tokens_per_second": 1e3}
    async with worker(engine_args=speed, kv_events=False), controlled(endpoint, "sim") as (controller, _):
        tokens = encoder([render(TABLES)])
        databases = DatabaseRegistry()
        asker = Asker(Services(controller, tokens, databases, 1.0))
        try:
            shape, answer = await asker.ask("table_a", "table_b", "table_c")
            assert (shape, answer.cached_tokens) == ("linked", 0)
            shape, answer = await asker.ask("table_a", "table_b", "table_d")
            assert shape == "linked"
            assert answer.cached_tokens >= await asker.shared("table_a", "table_b")
            assert answer.cached_tokens < await asker.shared("table_a", "table_b", "table_d")
            shapes: list[str] = []
            for pair in combinations(NAMES[4:], 2):
                shape, answer = await asker.ask(*pair)
                shapes.append(shape)
                if shape == "whole":
                    break
            assert shapes[0] == "linked"
            assert shapes[-1] == "whole"
            whole = await asker.shared()
            assert answer.cached_tokens < whole
            shape, answer = await asker.ask("table_k", "table_b")
            assert shape == "whole"
            assert answer.cached_tokens > whole - 32
        finally:
            tokens.close()
            databases.close()
