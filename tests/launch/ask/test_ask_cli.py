"""``python -m launch.ask`` sends what its options say and shows the answer."""

from __future__ import annotations

import asyncio

import pytest

from launch.ask.ask_cli import main
from tests.launch.api.api_stack import api_stack, served


async def test_evidence_is_sent_if_there_is_any(capsys: pytest.CaptureFixture[str]) -> None:
    """With the question, to the server that is named."""
    async with api_stack() as api, served(api.app) as port:
        asking = ["How many customers?", "--server", f"http://127.0.0.1:{port}", "--database", "shop"]
        assert await asyncio.to_thread(main, [*asking, "--evidence", "those in Berlin"]) == 0
        assert await asyncio.to_thread(main, asking) == 0
        assert api.text2sql.hints == ["those in Berlin", ""]
    assert "SELECT 1 + 1" in capsys.readouterr().out


async def test_a_refusal_is_shown_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Not as the JSON that it came in."""
    async with api_stack() as api, served(api.app) as port:
        asking = ["How many?", "--server", f"http://127.0.0.1:{port}", "--database", "nope"]
        assert await asyncio.to_thread(main, asking) == 1
    shown = capsys.readouterr()
    assert "there is no database 'nope'" in shown.err
    assert '"error"' not in shown.err
