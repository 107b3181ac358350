"""The demo model behind the workflow's port: bound by grammars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plugins.text2sql.answers import Form
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.answer_trees import answer_tree
from plugins.text2sql.demo.grammar.statements import sql_tree
from plugins.text2sql.demo.grammar.tree import Node, max_length, to_ebnf
from plugins.text2sql.demo.grammar.values import values_about
from plugins.text2sql.demo.question.common import COMMON
from plugins.text2sql.demo.question.familiar import known_words, unfamiliar
from plugins.text2sql.demo.terse import DEMO
from plugins.text2sql.profile import Profile
from plugins.text2sql.prompts.layout import Prompts
from sched.workflow import GenerateParams

_MOST_REVISIONS = 3
"""The demo model finds soon what it finds at all.  This limit is its own: it holds whatever is asked for, and
doesn't follow the default of ``--max-revisions``."""


@dataclass(frozen=True)
class DemoProfile(Profile):
    """Every answer is bound by a grammar that ends within ``max_new_tokens``.

    ``known`` are the words that the model knows; ``None`` if nobody said.
    """

    prompts: Prompts = DEMO
    known: frozenset[str] | None = None
    common_words = COMMON
    # It can't judge when enough is known.
    judges_when_done = False
    reads_hints = False
    chats = False
    whole_schema = True
    sql_dialect = "sqlite"

    def of_model(self, vocabulary: Iterable[str]) -> DemoProfile:
        """Return the profile that knows the words of ``vocabulary``."""
        return replace(self, known=known_words(vocabulary))

    def revisions(self, wanted: int) -> int:
        """Return ``wanted``, or ``_MOST_REVISIONS`` if that is less."""
        return min(wanted, _MOST_REVISIONS)

    def answer(self, form: Form[Any], max_tokens: int) -> GenerateParams:
        """Return the sampling of an answer within the grammar of ``form``."""
        return _bound(answer_tree(form))

    def statement(
        self, schema: DatabaseSchema, max_tokens: int, question: str = "", values: Sequence[str] = ()
    ) -> GenerateParams:
        """Return the sampling of a SELECT; its values are those of ``question`` or in ``values``.

        Raises:
            ValueError: the schema has no table to ask.
        """
        return _bound(sql_tree(schema, values=values_about(schema, question, values)))

    def unfamiliar(self, question: str, values: Sequence[str]) -> list[str] | None:
        """Return the words of ``question`` that are neither known nor in ``values``."""
        return None if self.known is None else unfamiliar(question, self.known, values)


def _bound(tree: Node) -> GenerateParams:
    # Every token has at least one byte, and one more token ends the output.
    return GenerateParams(max_length(tree) + 1, {"temperature": 0.0, "ebnf": to_ebnf(tree)})
