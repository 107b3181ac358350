"""The databases of a server: opened, as far as they can be, and how each fares."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from launch.database_kinds import kind_name, kind_of
from launch.server.config import DatabaseOptions
from plugins.text2sql.databases.address import without_folders
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.descriptions import read_descriptions
from plugins.text2sql.databases.presentation import EVERYTHING, Presentation
from plugins.text2sql.linking.room import TokenCounter
from plugins.workflow_kind import ServedWorkflow
from sched.errors import ConfigError, UnavailableError

logger = logging.getLogger(__name__)

_MOST_COMPLAINTS = 20


@dataclass(frozen=True, slots=True)
class ServedDatabase:
    """A database of the server; ``reason`` says why one that is ``unavailable`` can't be asked.

    ``warnings`` say what its owner should change, such as a role that may write or a view that can't be read.
    """

    name: str
    kind: str
    state: Literal["ready", "unavailable"] = "ready"
    reason: str | None = None
    warnings: tuple[str, ...] = ()


def served(databases: DatabaseRegistry, addresses: Mapping[str, str]) -> list[ServedDatabase]:
    """Return the databases, which lie at ``addresses``, as they are now; what is told names no folder."""
    return [
        ServedDatabase(
            name=state.name,
            kind=kind_name(addresses[state.name]),
            state="unavailable" if state.reason else "ready",
            reason=state.reason and without_folders(state.reason, addresses[state.name]),
            warnings=tuple(without_folders(each, addresses[state.name]) for each in state.warnings),
        )
        for state in databases.states()
    ]


def complaints(databases: DatabaseRegistry) -> str:
    """Return a line for each database that can't be asked, and for each warning; of many, the first ones."""
    states = databases.states()
    lines = [f"database {state.name!r} can't be asked: {state.reason}" for state in states if state.reason]
    lines += [f"database {state.name!r}: {warning}" for state in states for warning in state.warnings]
    if len(lines) > _MOST_COMPLAINTS:
        lines[_MOST_COMPLAINTS:] = [f"and {len(lines) - _MOST_COMPLAINTS} more (GET /v1/databases)"]
    return "\n".join(lines)


def open_all(
    databases: DatabaseRegistry, addresses: Mapping[str, str], options: Mapping[str, DatabaseOptions]
) -> None:
    """Register the databases at ``addresses`` and read their schemas; the log names those that can't be.

    Raises:
        ConfigError: an option is wrong, or a kind unknown.
    """
    for name, address in addresses.items():
        presentation = presented(name, options.get(name))
        databases.register(name, kind_of(name, address), address, presentation, required=False)
        try:
            databases.schema(name)
        except UnavailableError:
            reason = databases.state(name).reason  # it has the file's folder, unlike what clients are told
            logger.warning("database %r: %s; questions to it are refused", name, reason)
        for warning in databases.state(name).warnings:
            logger.warning("database %r: %s", name, warning)


async def refuse_without_room(
    databases: DatabaseRegistry, workflow: ServedWorkflow, context_tokens: int, count_tokens: TokenCounter
) -> None:
    """Refuse the databases for whose prompts a context of ``context_tokens`` has no room.

    Raises:
        ConfigError: it has room for none; names the option and the remedy.
    """
    names = databases.names()
    refused: dict[str, ConfigError] = {}
    for name in names:
        try:
            await workflow.check_context(name, context_tokens, count_tokens)
        except ConfigError as error:
            refused[name] = error
    if refused and len(refused) == len(names):
        raise refused[names[0]]
    for name, refusal in refused.items():
        databases.refuse(name, refusal.message)


def presented(name: str, options: DatabaseOptions | None) -> Presentation:
    """Return what is shown of database ``name``.

    Raises:
        ConfigError: its descriptions can't be read.
    """
    if options is None:
        return EVERYTHING
    if options.descriptions is None:
        return Presentation(options.include, options.exclude)
    try:
        descriptions = read_descriptions(Path(options.descriptions).expanduser())
    except ConfigError as error:
        raise ConfigError(
            f"descriptions in [database_options.{name}]: {error.message}", field="database_options"
        ) from error
    return Presentation(options.include, options.exclude, descriptions)
