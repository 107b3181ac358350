"""What can be set about the Text-to-SQL workflow, and what one question's stages need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from plugins.text2sql.answers import Form
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.doubts.doubts import doubt
from plugins.text2sql.demo.grammar.statements import sql_tree
from plugins.text2sql.demo.grammar.tree import Node, max_length, to_ebnf
from plugins.text2sql.demo.grammar.values import values_about
from plugins.text2sql.demo.terse import DEMO
from plugins.text2sql.prompts.compact import COMPACT, Prompts, Topic
from plugins.text2sql.prompts.full import full_prompts
from sched.workflow import GenerateParams, Segment, SqlResult, Steps

T = TypeVar("T")

Profile = Literal["compact", "full", "demo"]
# A model that goes on after its answer begins with the next question, as in the examples.
_STOP = ("\nQuestion:", "\nSchema:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text2SqlOptions:
    """``candidates`` per question, ``max_revisions`` rounds per candidate, ``max_unit_tests`` per question.

    ``profile`` ``"full"`` has worked examples in its prompts (up to 9,000 tokens), ``"compact"`` has none;
    ``"demo"`` is the compact one in the words of the demo model.
    ``constrained`` bounds every answer by a grammar, so that even a model without any skill writes SQL
    that runs; a model that can write SQL is better off without.  The token limits apply to answers
    without a grammar, which has a limit of its own.  With ``known_words`` an answer names the words of the
    question that are none of them.

    With ``early_ending`` calls that can't change the answer are cancelled or not made: candidates once most
    agree, unit tests of results that don't differ, evaluations once one result has won.  Without it
    every stage runs in full, as published.
    """

    candidates: int = 3
    max_revisions: int = 10
    max_unit_tests: int = 4
    early_ending: bool = True
    profile: Profile = "compact"
    constrained: bool = False
    max_sql_tokens: int = 1024
    known_words: frozenset[str] | None = None
    max_answer_tokens: int = 256

    def prompts(self) -> Prompts:
        """Return the prompts of the profile; a bound model writes no reasoning before its SQL."""
        if self.profile == "demo":
            return DEMO
        chosen = COMPACT if self.profile == "compact" else full_prompts()
        if not self.constrained:
            return chosen
        return replace(chosen, sql_cue=COMPACT.sql_cue, revision_cue=COMPACT.revision_cue)

    @property
    def knows_texts(self) -> bool:
        """Whether texts in SQL are bound to what was found and said (``texts.py``).

        Larger models can do better: they know that New York may be stored as NYC.
        """
        return self.constrained and self.profile == "demo"

    def params(self, tree: Node, max_tokens: int) -> GenerateParams:
        """Return the sampling of an answer that ``tree`` describes."""
        if not self.constrained:
            return GenerateParams(max_tokens, {"temperature": 0.0, "stop": list(_STOP)})
        # Every token has at least one byte, and one more token ends the output.
        return GenerateParams(max_length(tree) + 1, {"temperature": 0.0, "ebnf": to_ebnf(tree)})


@dataclass(frozen=True, slots=True)
class Job:
    """A question with what all its stages need.  ``sql`` is the sampling of statements."""

    topic: Topic
    schema: DatabaseSchema
    prompts: Prompts
    options: Text2SqlOptions
    sql: GenerateParams

    async def ask(self, steps: Steps, stage: str, prompt: Sequence[Segment], form: Form[T]) -> T:
        """Run a call of a structured stage and return what its answer says, cut off or not.

        Raises:
            SluiceError: the call failed.
        """
        params = self.options.params(form.tree, self.options.max_answer_tokens)
        return form.of(await steps.generate(stage, prompt, params))

    def about(self, evidence: str, values: Sequence[str]) -> Job:
        """Return the job once retrieval has found ``values``; ``evidence`` tells the model of them."""
        sql = self.sql
        if self.options.knows_texts:
            about = values_about(self.schema, self.topic.question, values)
            tree = sql_tree(self.schema, values=about)
            sql = self.options.params(tree, self.options.max_sql_tokens)
        return replace(self, topic=replace(self.topic, evidence=evidence), sql=sql)

    def doubt(self, result: SqlResult) -> str | None:
        """Return what speaks against SQL of the demo model though it gave rows, as :func:`doubts.doubt`."""
        if self.options.profile != "demo" or not result.rows:
            return None
        return doubt(self.schema, self.topic, result.statement)

    def sql_at(self, temperature: float) -> GenerateParams:
        """Return the sampling of statements at ``temperature``."""
        sampling: Mapping[str, Any] = {**self.sql.sampling, "temperature": temperature}
        return replace(self.sql, sampling=sampling)
