"""Agents as users write them with OpenAI's client: no workflow, no stage, no session is named."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI

CANDIDATES = 3
STEPS = 6
TOOL_SECONDS = 0.2

_STYLES = (
    "Plan in steps, then write SQL.",
    "Write the shortest SQL.",
    "Think of joins first, then write SQL.",
)
_REVISE = "You mend SQL that a database has refused. Answer with SQL only."
_SELECT = "You choose among SQL statements the one that answers the question. Answer with SQL only."
_LOOP = "You answer questions about a database. Use one tool at a time, and say when you are done."
_TABLES = 40
_DATABASES = 6


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A question for the agent ``agent``, asked ``arrival`` seconds after the beginning."""

    agent: str
    arrival: float
    question: str
    seed: int


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    """What a task took from the time that it was due, and the tokens of its calls."""

    agent: str
    seconds: float
    calls: int
    prompt_tokens: int
    cached_tokens: int


@dataclass(slots=True)
class _Chats:
    """The calls of one task; ``model`` is the served one."""

    client: AsyncOpenAI
    model: str
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    async def ask(self, system: str, messages: Sequence[Mapping[str, str]], tokens: int) -> str:
        """Return the model's answer of up to ``tokens``."""
        sent: Any = [{"role": "system", "content": system}, *messages]
        answer = await self.client.chat.completions.create(
            model=self.model, messages=sent, max_tokens=tokens, temperature=0.0
        )
        self.calls += 1
        if answer.usage is not None:
            self.prompt_tokens += answer.usage.prompt_tokens
            details = answer.usage.prompt_tokens_details
            self.cached_tokens += (details.cached_tokens or 0) if details else 0
        return answer.choices[0].message.content or ""


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


async def _fan_out(chats: _Chats, question: str, rng: random.Random) -> None:
    asked = [_user(question)]
    lengths = [rng.randint(30, 90) for _ in _STYLES]
    drafts = await asyncio.gather(
        *(chats.ask(style, asked, tokens) for style, tokens in zip(_STYLES, lengths, strict=True))
    )
    failed = [*asked, _assistant(drafts[0]), _user("The database says: no such column. Mend it.")]
    revised = await chats.ask(_REVISE, failed, rng.randint(30, 60))
    others = "\n".join(drafts[1:])
    await chats.ask(
        _SELECT, [*failed, _assistant(revised), _user(f"Others wrote:\n{others}\nWhich is right?")], 20
    )


async def _loop(chats: _Chats, question: str, rng: random.Random) -> None:
    said = [_user(question)]
    for step in range(STEPS):
        answer = await chats.ask(_LOOP, said, rng.randint(15, 45))
        await asyncio.sleep(TOOL_SECONDS)
        rows = " ".join(f"row {rng.randint(0, 9999)}" for _ in range(40))
        said += [_assistant(answer), _user(f"The tool says, step {step}: {rows}")]


AGENTS: Mapping[str, Callable[[_Chats, str, random.Random], Awaitable[None]]] = {
    "fan-out": _fan_out,
    "loop": _loop,
}


def tasks(count: int, rate: float, seed: int) -> list[AgentTask]:
    """Return ``count`` tasks of both agents, ``rate`` a second on average, the same for one ``seed``."""
    rng = random.Random(seed)
    at, made = 0.0, list[AgentTask]()
    for number in range(count):
        at += rng.expovariate(rate)
        database = rng.randrange(_DATABASES)
        schema = "\n".join(f"CREATE TABLE t{database}_{n} (id INTEGER, name TEXT);" for n in range(_TABLES))
        question = f"{schema}\nQuestion {seed}.{number}: how many are there?"
        made.append(AgentTask(rng.choice(list(AGENTS)), at, question, rng.randrange(2**31)))
    return made


async def play(url: str, model: str, todo: Sequence[AgentTask]) -> list[AgentOutcome]:
    """Do the tasks when they are due, on the server at ``url``, and return their outcomes in order.

    Raises:
        openai.OpenAIError: a call failed.
    """
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=600.0, max_retries=0) as client:
        begun = time.monotonic()

        async def one(task: AgentTask) -> AgentOutcome:
            await asyncio.sleep(max(0.0, begun + task.arrival - time.monotonic()))
            chats = _Chats(client, model)
            await AGENTS[task.agent](chats, task.question, random.Random(task.seed))
            seconds = time.monotonic() - begun - task.arrival
            return AgentOutcome(task.agent, seconds, chats.calls, chats.prompt_tokens, chats.cached_tokens)

        return await asyncio.gather(*map(one, todo))
