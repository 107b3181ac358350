"""Information retrieval: the agent names keywords and looks them up in the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plugins.text2sql import stages
from plugins.text2sql.agent import Tool, run_agent
from plugins.text2sql.answers import Keywords
from plugins.text2sql.options import Job
from plugins.text2sql.prompts import wording
from plugins.text2sql.retrieval.retrieval import Found, Retrieval
from sched.workflow import Steps


@dataclass(slots=True)
class Information:
    """What was retrieved for a question; ``notes`` say what the user should know about it.

    ``searched``: values were looked up.
    """

    keywords: list[str] = field(default_factory=list)
    values: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    searched: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "keywords": self.keywords,
            "values": list(self.values),
            "columns": list(self.columns),
            "notes": self.notes,
        }


async def retrieve(steps: Steps, job: Job, database: str, retrieval: Retrieval) -> Information:
    """Return what the agent finds about the question in ``database``.

    Raises:
        SluiceError: a call failed.
    """
    information = Information()
    topic = job.topic

    async def extract() -> None:
        prompt = job.prompts.keywords(topic)
        information.keywords = await job.ask(steps, stages.EXTRACT_KEYWORDS, prompt, Keywords(topic.question))

    async def values() -> None:
        found = await retrieval.values(database, information.keywords, topic.question, topic.hint)
        information.values = noted(found)
        information.searched = True

    async def columns() -> None:
        information.columns = noted(await retrieval.columns(database, information.keywords))

    def noted(found: Found) -> tuple[str, ...]:
        if found.note:
            information.notes.append(found.note)
        return found.lines

    tools = (
        Tool(stages.EXTRACT_KEYWORDS, extract),
        Tool(wording.RETRIEVE_VALUES, values, needs=stages.EXTRACT_KEYWORDS),
        Tool(wording.RETRIEVE_COLUMNS, columns, needs=stages.EXTRACT_KEYWORDS),
    )
    await run_agent(steps, job, stages.INFORMATION_RETRIEVAL, tools)
    return information
