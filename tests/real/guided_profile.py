"""A profile with which a question to the awkward database goes through every structured stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.profile import Compact
from sched.workflow import GenerateParams

LISTING = "List"
"""How a question begins of which the SQL runs."""
STATEMENT = r'SELECT "straße", "select" FROM "order details" LIMIT [1-3]'


class Guided(Compact):
    """The compact profile, but agents use all their tools, and SQL that lists something is bound to run.

    A model of 135 million parameters seldom writes SQL that does, so that there is something to judge.
    """

    judges_when_done = False

    def statement(
        self, schema: DatabaseSchema, max_tokens: int, question: str = "", values: Sequence[str] = ()
    ) -> GenerateParams:
        """Return the sampling of SQL about ``question``."""
        params = super().statement(schema, max_tokens, question, values)
        if not question.startswith(LISTING):
            return params
        return replace(params, sampling={**params.sampling, "regex": STATEMENT})
