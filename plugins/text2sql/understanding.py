"""Whether a question has anything to do with the database that it was put to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from plugins.text2sql.information import Information
from plugins.text2sql.linking.wanted import Wanted
from plugins.text2sql.options import Job
from plugins.text2sql.selection import Candidate, agree_on_nothing


async def is_lost(job: Job, information: Information, wanted: Wanted, done: Sequence[Candidate]) -> bool:
    """Return whether the question was not understood.

    It wasn't if both hold: nothing that it says was found in the database, and the candidates show no common
    understanding.  The former: its values were looked up, in full (no note), without a find, and no word
    of it or of its hint is like a word in the names or descriptions of the schema.  What linking chose says
    nothing, since a model that is asked for tables names some.  The latter: no candidate holds a SELECT, or
    some ran and no two have the same rows (none at all is no agreement).  SQL that was tried and failed is
    no sign of it.
    """
    if not information.searched or information.notes or information.values or information.columns:
        return False
    if not (_wrote_no_sql(done) or agree_on_nothing(done)):
        return False
    return not await asyncio.to_thread(job.linking.relevance.knows, wanted)


def not_understood(done: Sequence[Candidate]) -> dict[str, Any]:
    """Return the parts of an answer that say so and why; its ``candidates`` still have what was tried."""
    wrote = (
        "no SQL was written"
        if _wrote_no_sql(done)
        else f"no two of the {len(done)} candidates found the same"
    )
    return {
        "status": "not_understood",
        "sql": None,
        "columns": [],
        "rows": [],
        "truncated": False,
        "sql_error": None,
        "reason": f"no word of the question names a table, a column or a value of the database, and {wrote}",
    }


def _wrote_no_sql(done: Sequence[Candidate]) -> bool:
    return not any(candidate.wrote_sql for candidate in done)
