"""What was asked and answered before, so that a question may go on from there."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from sched.clock import Clock, monotonic
from sched.errors import ConflictError

MOST_TURNS = 5
"""Turns of a conversation that are kept, the latest ones."""
MOST_TOLD = 3_000
"""Characters of earlier turns that a prompt has; the oldest turns are left out for it."""
_MOST_QUESTION, _MOST_SQL, _MOST_COLUMN, _MOST_COLUMNS = 500, 1_000, 64, 8


@dataclass(frozen=True, slots=True)
class ConversationTurn:
    """A question with its SQL, in the words of the model, and what came out.

    ``rows`` is ``None`` if it wasn't run.  All is bounded.
    """

    question: str
    sql: str
    columns: tuple[str, ...] = ()
    rows: int | None = None

    @classmethod
    def of(cls, question: str, sql: str, columns: Iterable[str], rows: int | None) -> ConversationTurn:
        """Return a turn with as much of the parts as is kept."""
        shown = tuple(_short(column, _MOST_COLUMN) for column in list(columns)[:_MOST_COLUMNS])
        return cls(_short(question, _MOST_QUESTION), _short(sql, _MOST_SQL), shown, rows)

    def told(self) -> str:
        """Return it for a prompt."""
        count = "" if self.rows is None else f"{self.rows} {'row' if self.rows == 1 else 'rows'}"
        columns = f" with {', '.join(self.columns)}" if self.columns and count else ""
        result = f"Its result: {count}{columns}\n" if count else ""
        sql = f"Its SQL: {self.sql}\n" if self.sql else ""
        return f"Earlier question: {self.question}\n{sql}{result}"


@dataclass(slots=True)
class _Conversation:
    database: str
    used_at: float
    turns: deque[ConversationTurn] = field(default_factory=lambda: deque(maxlen=MOST_TURNS))


class Conversations:
    """The conversations of a server: ``most`` of them, the latest used ones, each for ``seconds``.

    They are in memory only.  Used from one thread.
    """

    def __init__(self, most: int, seconds: float, clock: Clock = monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[str, _Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def go_on(self, name: str | None, database: str) -> tuple[str, tuple[ConversationTurn, ...]]:
        """Return the conversation's name and its turns, oldest first; one that isn't kept begins anew.

        Without a ``name`` it gets one that can't be guessed.

        Raises:
            ConflictError: it is about another database.
        """
        now = self._clock()
        self._forget(now)
        name = name or f"conversation-{uuid4().hex}"
        known = self._kept.get(name)
        if known is not None and known.database != database:
            raise ConflictError(
                f"conversation {name!r} is about database {known.database!r}, not {database!r}: begin "
                "another one by another conversation_id, or by none",
                field="conversation_id",
            )
        conversation = known or _Conversation(database, now)
        self._use(name, conversation, now)
        return name, tuple(conversation.turns)

    def add(self, name: str, database: str, turn: ConversationTurn) -> None:
        """Add a turn; if others took the conversation's place meanwhile, it begins with this one."""
        now = self._clock()
        self._forget(now)
        conversation = self._kept.get(name)
        if conversation is None or conversation.database != database:
            conversation = _Conversation(database, now)
        conversation.turns.append(turn)
        self._use(name, conversation, now)

    def _use(self, name: str, conversation: _Conversation, now: float) -> None:
        conversation.used_at = now
        self._kept[name] = conversation
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _forget(self, now: float) -> None:
        while self._kept and now - next(iter(self._kept.values())).used_at > self._seconds:
            self._kept.popitem(last=False)


def told(turns: Iterable[ConversationTurn]) -> tuple[str, int]:
    """Return ``turns`` for a prompt, as many of the latest as it has room for, and how many those are."""
    texts: deque[str] = deque()
    for turn in reversed(list(turns)):
        text = turn.told()
        if sum(map(len, texts)) + len(text) > MOST_TOLD:
            break
        texts.appendleft(text)
    return "".join(texts), len(texts)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
