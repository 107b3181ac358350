"""What is said of databases, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Literal

from launch.api.answer_models import AnswerModel


class DatabaseAnswer(AnswerModel):
    """A database; one that is ``unavailable`` can't be asked, for the ``reason`` given.

    ``warnings`` say what its owner should change, such as a role that may write or a view that can't be read.
    """

    name: str
    kind: str
    state: Literal["ready", "unavailable"]
    reason: str | None
    warnings: list[str]


class Databases(AnswerModel):
    """The names of the databases that can be asked, and the state of all that the server was given."""

    databases: list[str]
    details: list[DatabaseAnswer]


class ColumnAnswer(AnswerModel):
    """A column with its declared type."""

    name: str
    type: str
    nullable: bool
    primary_key: bool
    description: str


class ForeignKeyAnswer(AnswerModel):
    """``columns`` refer to ``target_columns`` of the table ``target``, pair by pair."""

    columns: list[str]
    target: str
    target_columns: list[str]


class TableAnswer(AnswerModel):
    """A table or view; of ``columns_total`` columns the first 1,000 are there."""

    name: str
    view: bool
    description: str
    row_count: int | None
    columns_total: int
    columns: list[ColumnAnswer]
    foreign_keys: list[ForeignKeyAnswer]


class LeftOutAnswer(AnswerModel):
    """A table or view that questions don't see, and ``why``."""

    name: str
    why: str


class DatabaseDescription(AnswerModel):
    """A database as questions see it; ``dialect`` is that of its SQL."""

    name: str
    kind: str
    dialect: str
    tables_total: int
    tables: list[TableAnswer]
    left_out: list[LeftOutAnswer]
