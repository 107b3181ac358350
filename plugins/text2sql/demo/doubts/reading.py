"""A statement beside the question that it is to answer, as the looks for doubts read both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.prompts.layout import Topic


@dataclass
class Reading:
    """``root`` is the statement about ``topic``."""

    schema: DatabaseSchema
    topic: Topic
    root: exp.Select

    @cached_property
    def text(self) -> str:
        """The question in small letters."""
        return self.topic.question.casefold()

    @cached_property
    def bare_text(self) -> str:
        """The question in small letters, without the texts that the statement compares with."""
        text = self.text
        for used in filter(None, self.texts):
            text = text.replace(used, " ")
        return text

    @cached_property
    def texts(self) -> list[str]:
        """The texts that the statement compares with, in small letters, of patterns what is between the %."""
        literals = self.root.find_all(exp.Literal)
        return [node.this.casefold().strip("%") for node in literals if node.is_string]

    @cached_property
    def conditions(self) -> list[exp.Expr]:
        """What must hold for a row, and after that for a group."""
        clauses = [self.root.args.get(name) for name in ("where", "having")]
        return [part for clause in clauses if clause for part in _conjuncts(clause.this)]

    def names(self, words: str) -> bool:
        """Return whether the question has ``words``, in small letters, in the singular or the plural."""
        return re.search(rf"(?<!\w){re.escape(words)}(?:s|es)?(?!\w)", self.text) is not None


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def is_text(node: exp.Expr) -> bool:
    """Return whether ``node`` is a quoted text."""
    return isinstance(node, exp.Literal) and node.is_string


def is_number(node: exp.Expr) -> bool:
    """Return whether ``node`` is a number."""
    return isinstance(node, exp.Literal) and not node.is_string
