"""The tools: ask a database, list the databases, describe one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

import httpx
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from launch.client.api_error import ApiError
from launch.client.async_sluice_client import AsyncSluiceClient
from launch.client.client_answers import (
    DatabaseFacts,
    QuestionAnswered,
    QuestionReply,
    SchemaFacts,
    StepChanged,
    WorkflowBegun,
)

MOST_ROWS = 200
"""Rows of an answer where the caller names no number: a model reads them all."""
_INSTRUCTIONS = (
    "Answers questions in plain language from SQL databases, read only. Call list_databases first; "
    "describe_database shows tables and columns. For a follow-up question pass the conversation_id of the "
    "answer before it."
)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


class DatabaseAnswered(BaseModel):
    """The answer to a question.

    ``status``: ``ok``; ``empty`` (no rows); ``no_sql_ran``; ``not_understood``.
    """

    status: str
    sql: str | None
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    reason: str | None
    sql_error: str | None
    conversation_id: str | None
    database: str
    workflow_id: str
    seconds: float

    @classmethod
    def of(cls, reply: QuestionReply) -> DatabaseAnswered:
        """Return what a model needs of ``reply``."""
        return cls.model_validate(reply.model_dump(include=set(cls.model_fields)))


class ListedDatabases(BaseModel):
    """All databases of the server with their states."""

    databases: list[DatabaseFacts]


def mcp_server(client: AsyncSluiceClient) -> MCPServer[None]:
    """Return the MCP server whose tools ask ``client``'s server; it closes nothing."""
    server: MCPServer[None] = MCPServer("sluice", title="Sluice", instructions=_INSTRUCTIONS)

    @server.tool(title="Ask a database", annotations=_READS)
    async def ask_database(
        question: Annotated[str, Field(description="In plain language.", max_length=10_000)],
        context: Context[None, Any],
        database: Annotated[str | None, Field(description="Needed if there are several.")] = None,
        evidence: Annotated[
            str | None, Field(description="A hint: what words mean, how something is computed.")
        ] = None,
        conversation_id: Annotated[str | None, Field(description="Of the answer before, to go on.")] = None,
        max_rows: Annotated[int, Field(description="Rows of the answer at most.", ge=1)] = MOST_ROWS,
    ) -> DatabaseAnswered:
        """Answer a question about a database with SQL and its rows."""
        options = {
            # A hint that is empty is none.
            "evidence": evidence or None,
            "conversation_id": conversation_id,
            "max_rows": max_rows,
        }
        async with _told(), aclosing(client.stream(question, database, **options)) as events:
            ended: set[int] = set()
            async for event in events:
                if isinstance(event, QuestionAnswered):
                    return DatabaseAnswered.of(event.answer)
                if isinstance(event, WorkflowBegun):
                    await context.report_progress(0, None, f"{event.database}: {event.workflow_id} began")
                elif isinstance(event, StepChanged):
                    step = event.step
                    if step.total_seconds is not None and step.index not in ended:
                        ended.add(step.index)
                        await context.report_progress(len(ended), None, f"{step.stage}: {step.state}")
        raise AssertionError("a stream ends with an answer or an error")

    @server.tool(title="List the databases", annotations=_READS)
    async def list_databases() -> ListedDatabases:
        """List the databases that can be asked, and those that can't with the reason."""
        async with _told():
            return ListedDatabases(databases=(await client.databases()).details)

    @server.tool(title="Describe a database", annotations=_READS)
    async def describe_database(
        database: Annotated[str, Field(description="As list_databases names it.")],
        offset: Annotated[int, Field(description="Tables to leave out before the first.", ge=0)] = 0,
    ) -> SchemaFacts:
        """Show a database's tables, columns, keys and descriptions: up to 100 tables of tables_total."""
        async with _told():
            return await client.database(database, offset=offset)

    return server


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Turn what goes wrong into an error that the calling model reads."""
    try:
        yield
    except ApiError as error:
        at_fault = f" ({error.field})" if error.field else ""
        later = f"; try again in {error.retry_after:g} s" if error.retry_after is not None else ""
        raise ToolError(f"{error.code}{at_fault}: {error.message}{later}") from error
    except httpx.HTTPError as error:
        raise ToolError(f"Sluice's server gave no answer: {error or type(error).__name__}") from error
