"""The port between the workflow and a family of models: how each stage is asked and bound.

A profile of your own derives from :class:`Profile`; only ``prompts`` has no default.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from plugins.text2sql.answers import Form
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.prompts.layout import Prompts, compact_prompts
from plugins.text2sql.prompts.with_examples import full_prompts
from plugins.text2sql.spans import COMMON_WORDS
from sched.workflow import GenerateParams

# A model that goes on after its answer begins with the next question, as in the examples.
_STOP = ("\nQuestion:", "\nSchema:")


class Profile(ABC):
    """What the workflow must know of the model.  The defaults are those of a model that
    writes its SQL freely."""

    common_words: frozenset[str] = COMMON_WORDS
    """The words of a question by which it names no stored value, in small letters."""
    judges_when_done: bool = True
    """Whether an agent is offered to end while tools are left."""
    reads_hints: bool = True
    """Whether the model is told what the user said besides the question: a hint, earlier questions."""
    chats: bool = True
    """Whether the prompts go into the model's chat template, where it has one."""
    when_too_long: str | None = None
    """What to do if the prompts don't fit the model, where the profile knows of something."""
    whole_schema: bool = False
    """Whether every prompt is about the whole schema, since the model was trained so."""
    sql_dialect: str | None = None
    """The dialect of SQL that the model writes whatever the database's, by sqlglot's name for it."""

    @property
    @abstractmethod
    def prompts(self) -> Prompts:
        """The prompts of all stages, for SQLite's SQL."""

    def prompts_in(self, dialect: Dialect) -> Prompts:
        """Return the prompts that ask for SQL in ``dialect``, which the model writes.

        They are the same for all unless this is overridden.
        """
        return self.prompts

    def of_model(self, vocabulary: Iterable[str]) -> Profile:
        """Return the profile for a model whose tokens are ``vocabulary``."""
        return self

    def revisions(self, wanted: int) -> int:
        """Return how many rounds of revision, at most ``wanted``, may bring a candidate further."""
        return wanted

    def answer(self, form: Form[Any], max_tokens: int) -> GenerateParams:
        """Return the sampling of a structured stage's answer, at most ``max_tokens`` long.

        It is bound to the form's pattern, so that no chat, and no thinking, stands in its place.
        """
        return GenerateParams(max_tokens, {"temperature": 0.0, "regex": form.pattern()})

    def statement(
        self, schema: DatabaseSchema, max_tokens: int, question: str = "", values: Sequence[str] = ()
    ) -> GenerateParams:
        """Return the sampling of SQL about ``question``, for which retrieval found ``values``.

        ``max_tokens`` holds where nothing bounds it.  May take tens of milliseconds.

        Raises:
            ValueError: the schema has no table to ask.
        """
        return GenerateParams(max_tokens, {"temperature": 0.0, "stop": list(_STOP)})

    def unfamiliar(self, question: str, values: Sequence[str]) -> list[str] | None:
        """Return the words of ``question`` that the model doesn't know; ``None`` if nobody can say.

        What stands in the retrieved ``values`` is known.
        """
        return None


class Compact(Profile):
    """Instructions without examples, for small models and short contexts."""

    @property
    def prompts(self) -> Prompts:
        """The prompts of all stages, for SQLite's SQL."""
        return compact_prompts(SQLITE)

    def prompts_in(self, dialect: Dialect) -> Prompts:
        """Return the prompts that ask for SQL in ``dialect``."""
        return compact_prompts(dialect)


class Full(Profile):
    """Instructions with worked examples: up to 9,000 tokens."""

    when_too_long = "choose the compact one (--prompt-profile compact)"

    @property
    def prompts(self) -> Prompts:
        """The prompts of all stages, for SQLite's SQL."""
        return full_prompts(SQLITE)

    def prompts_in(self, dialect: Dialect) -> Prompts:
        """Return the prompts that ask for SQL in ``dialect``."""
        return full_prompts(dialect)
