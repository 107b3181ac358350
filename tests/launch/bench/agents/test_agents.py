"""``launch.bench agents``: plain agents against a served stack, and the table."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from launch.api.agents.recogniser import Recogniser
from launch.bench.agents import agents_cli, plain_agents
from launch.bench.agents.plain_agents import AGENTS, AgentOutcome, AgentTask, play, tasks
from tests.launch.api.api_stack import served
from tests.launch.api.openai.openai_stack import openai_app

CALLS = {"fan-out": 5, "loop": 6}


def test_tasks_are_the_same_for_a_seed() -> None:
    """Both agents, in the order of their arrivals, each question asked once."""
    made = tasks(50, 2.0, 1)
    assert made == tasks(50, 2.0, 1) != tasks(50, 2.0, 2)
    assert {task.agent for task in made} == set(AGENTS)
    assert made == sorted(made, key=lambda task: task.arrival)
    assert len({task.question for task in made}) == 50


@pytest.mark.parametrize("recognised", [True, False])
async def test_an_agents_calls_are_one_workflow_where_it_is_recognised(
    recognised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it names none; otherwise each is one of its own."""
    monkeypatch.setattr(plain_agents, "TOOL_SECONDS", 0.0)
    async with openai_app() as api, served(api.app) as port:
        if recognised:
            services = api.app.state.services
            api.app.state.services = replace(services, recogniser=Recogniser(services.external.is_open))
        todo = [AgentTask(agent, 0.0, f"How many orders {agent}", 1) for agent in AGENTS]
        outcomes = await play(f"http://127.0.0.1:{port}", "tiny", todo)
        assert {outcome.agent: outcome.calls for outcome in outcomes} == CALLS
        assert all(outcome.prompt_tokens > outcome.cached_tokens > 0 for outcome in outcomes)
        calls = sorted(record.calls for record in api.latest(50))
        assert calls == (sorted(CALLS.values()) if recognised else [1] * sum(CALLS.values()))


def test_the_table_compares_in_pairs() -> None:
    """Where all took half as long with recognition, the ratio is a half."""

    def outcomes(factor: float) -> list[AgentOutcome]:
        return [AgentOutcome(agent, factor * n, 5, 100, 25) for n in range(1, 41) for agent in AGENTS]

    runs = {agents_cli.ON: [outcomes(0.5)] * 3, agents_cli.OFF: [outcomes(1.0)] * 3}
    table = agents_cli.report(runs, {agents_cli.ON: [5.5], agents_cli.OFF: [1.0]})
    Console(width=200, file=(written := StringIO())).print(table)
    text = written.getvalue()
    assert text.count("0.50 (0.50–0.50)") == 3
    assert text.count("0.250 (0.250–0.250)") == 6
    assert "5.5" in text
