"""An agent: the model chooses which tool to use next, until it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from plugins.text2sql.answers import Decision
from plugins.text2sql.options import Job
from plugins.text2sql.prompts.wording import DONE
from sched.workflow import Steps


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can do.  It is offered once the tool ``needs`` has been used."""

    name: str
    run: Callable[[], Awaitable[None]]
    needs: str | None = None


async def run_agent(steps: Steps, job: Job, stage: str, tools: Sequence[Tool]) -> None:
    """Let the model use ``tools``, each at most once; every decision is a call of ``stage``.

    At most one call per tool and a last one, which says that nothing is left to do (the published
    workflow has it too).  An answer that names no tool on offer ends the agent.  A model
    that can't judge when enough is known is offered the end only when no tool is left.

    Raises:
        SluiceError: a call failed.
    """
    used: list[str] = []
    while True:
        offered = {tool.name: tool for tool in tools if tool.name not in used and tool.needs in (None, *used)}
        names = list(offered)
        if not names or job.profile.judges_when_done:
            names.append(DONE)
        prompt = job.prompts.decision(stage, job.topic, used)
        chosen = await job.ask(steps, stage, prompt, Decision(tuple(names)))
        if chosen in (DONE, None):
            return
        await offered[chosen].run()
        used.append(chosen)
