"""A request at work: what it asks of a kind of workflow besides the question, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plugins.text2sql.conversations import MOST_TURNS, Conversations, ConversationTurn, told
from plugins.text2sql.options import Job
from plugins.text2sql.question import QuestionRequest
from plugins.text2sql.selection import Candidate
from sched.errors import InvalidRequestError


class RequestAtWork:
    """A ``request`` about ``database``, whose questions share ``job``.

    Raises:
        ConflictError: its conversation is about another database.
        InvalidRequestError: it wants more rows than the server gives.
    """

    def __init__(
        self, request: QuestionRequest, database: str, job: Job, conversations: Conversations
    ) -> None:
        most_rows = job.options.max_rows
        if request.max_rows is not None and request.max_rows > most_rows:
            raise InvalidRequestError(
                f"max_rows is over this server's limit of {most_rows} rows (--max-rows)", field="max_rows"
            )
        self._request = request
        self._database = database
        self._conversations = conversations
        self._name: str | None = None
        turns: tuple[ConversationTurn, ...] = ()
        reads = job.profile.reads_hints
        if request.earlier is not None:
            latest = request.earlier[-MOST_TURNS:]
            turns = tuple(ConversationTurn.of(each.question, each.sql, (), None) for each in latest)
        elif reads or request.conversation_id is not None:
            self._name, turns = conversations.go_on(request.conversation_id, database)
        earlier, count = told(turns)
        self.turns = count if reads else 0
        self._left_out = bool(turns) and not reads
        self.job = job.asked(request.question, request.evidence, earlier, request.execute)

    @property
    def explains(self) -> bool:
        """Whether the answer is to be explained."""
        return self._request.explain

    def answered(self, answer: dict[str, Any], best: Candidate | None) -> dict[str, Any]:
        """Return ``answer`` with as many rows as are wanted and with its conversation, which it joins.

        ``best`` is the candidate that it is, if any.
        """
        rows: Sequence[Any] = answer["rows"]
        most = self._request.max_rows
        cut = most is not None and len(rows) > most
        if self._name is not None and best is not None and answer["sql"] is not None:
            count = len(rows) if best.ran else None
            turn = ConversationTurn.of(self._request.question, best.statement, answer["columns"], count)
            self._conversations.add(self._name, self._database, turn)
        answer |= {"conversation_id": self._name, "conversation_turns": self.turns}
        if self._left_out:
            answer["conversation_note"] = "this server's model reads no earlier questions"
        return answer | ({"rows": rows[:most], "truncated": True} if cut else {})
