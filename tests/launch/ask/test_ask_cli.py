"""``python -m launch.ask`` sends what its options say and shows the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from launch.ask.ask_cli import main
from plugins.text2sql.question import QuestionRequest
from sched.workflow import WorkflowProgram
from tests.launch.api.api_fakes import FakeText2Sql
from tests.launch.api.api_stack import api_stack, served


async def test_evidence_is_sent_if_there_is_any(capsys: pytest.CaptureFixture[str]) -> None:
    """With the question, to the server that is named."""
    async with api_stack() as api, served(api.app) as port:
        asking = ["How many customers?", "--server", f"http://127.0.0.1:{port}", "--database", "shop"]
        assert await asyncio.to_thread(main, [*asking, "--evidence", "those in Berlin"]) == 0
        assert await asyncio.to_thread(main, asking) == 0
        assert api.text2sql.hints == ["those in Berlin", ""]
    assert "SELECT 1 + 1" in capsys.readouterr().out


async def test_options_are_sent_and_an_unused_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of workflow of one's own may not know them."""
    asked: list[dict[str, Any]] = []

    def program(self: FakeText2Sql, request: QuestionRequest, database: str) -> WorkflowProgram:
        asked.append(request.model_dump(exclude_unset=True))
        return plain(self, request, database)

    plain = FakeText2Sql.program
    monkeypatch.setattr(FakeText2Sql, "program", program)
    async with api_stack() as api, served(api.app) as port:
        asking = ["How many?", "--server", f"http://127.0.0.1:{port}"]
        assert await asyncio.to_thread(main, asking) == 0
        options = ["--conversation", "c-1", "--no-execute", "--max-rows", "5"]
        assert await asyncio.to_thread(main, [*asking, *options]) == 0
    sent = {"question": "How many?", "database": "shop", "stream": True}
    assert asked == [sent, sent | {"conversation_id": "c-1", "execute": False, "max_rows": 5}]


async def test_a_refusal_is_shown_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Not as the JSON that it came in."""
    async with api_stack() as api, served(api.app) as port:
        asking = ["How many?", "--server", f"http://127.0.0.1:{port}", "--database", "nope"]
        assert await asyncio.to_thread(main, asking) == 1
    shown = capsys.readouterr()
    assert "there is no database 'nope'" in shown.err
    assert '"error"' not in shown.err
