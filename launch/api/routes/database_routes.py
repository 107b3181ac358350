"""The databases that questions can ask, and what is in them: ``/v1/databases``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from launch.api.database_answers import DatabaseDescription, Databases
from launch.api.error_answers import error_docs
from launch.api.replies import JsonResponse, JsonRoute
from launch.api.services import Services
from plugins.text2sql.databases.schema import Table
from sched.errors import NotFoundError

router = APIRouter(route_class=JsonRoute, prefix="/v1/databases", tags=["Text-to-SQL"])

MOST_TABLES = 500
MOST_COLUMNS = 1_000
"""Of one table."""


@router.get("", response_model=Databases)
async def databases(services: Services) -> Response:
    """List the databases that questions can ask, and the state of every database."""
    details = services.databases()
    ready = [database.name for database in details if database.state == "ready"]
    return JsonResponse({"databases": ready, "details": [asdict(database) for database in details]})


@router.get("/{name}", response_model=DatabaseDescription, responses=error_docs(404, 422, 503))
async def database(
    name: str,
    services: Services,
    limit: Annotated[int, Query(ge=1, le=MOST_TABLES, description="Tables of the answer at most.")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Tables to leave out before them.")] = 0,
) -> Response:
    """Describe a database as questions see it: tables by name, columns, keys, descriptions, numbers of rows.

    `tables_total` says how many tables there are, `columns_total` how many columns a table has, where the
    answer has the first 1,000.  A view's number of rows isn't known.
    """
    known = {each.name: each for each in services.databases()}
    if name not in known:
        raise NotFoundError(f"there is no database {name!r}; known are: {', '.join(known)}", field="name")
    # It may be read for the first time, which takes seconds.
    schema = await asyncio.to_thread(services.schema, name)
    return JsonResponse(
        {
            "name": name,
            "kind": known[name].kind,
            "dialect": (schema.runs_as or schema.dialect).title,
            "tables_total": len(schema.tables),
            "tables": [_described(table) for table in schema.tables[offset : offset + limit]],
            "left_out": [asdict(each) for each in schema.left_out[:MOST_TABLES]],
        }
    )


def _described(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "view": table.view,
        "description": table.description,
        "row_count": None if table.view else table.row_count,
        "columns_total": len(table.columns),
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "primary_key": column.primary_key,
                "description": column.description,
            }
            for column in islice(table.columns, MOST_COLUMNS)
        ],
        "foreign_keys": [asdict(key) for key in table.foreign_keys[:MOST_COLUMNS]],
    }
