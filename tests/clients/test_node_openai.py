"""OpenAI's client for Node: an agent's two turns, a stream and a response."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.wire.messages import Generate
from tests.engine.sglang.tool_samples import RUN, WRITERS
from tests.launch.api.openai.openai_stack import openai_stack
from tests.launch.api.openai.reading_worker import TEMPLATE, ReadingWorker
from tests.waiting import GUARD_SECONDS

NODE = Path(__file__).parent / "node"
FAMILY = "qwen25"


@dataclass
class SeriesWorker(ReadingWorker):
    """Says one of ``texts`` a call, in their order."""

    texts: list[str] = field(default_factory=list)

    async def _serve(self, request: Generate) -> None:
        self.text = self.texts.pop(0)
        await super()._serve(request)


async def _output(*command: str, folder: Path) -> str:
    """Return what ``command`` printed; it must end well, within the bound."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node and npm")
async def test_node_client_calls_a_tool_streams_and_gets_a_response(tmp_path: Path) -> None:
    for path in NODE.iterdir():
        shutil.copy(path, tmp_path)
    await _output("npm", "ci", "--no-audit", "--no-fund", folder=tmp_path)
    texts = [WRITERS[FAMILY]([RUN]), "There are 7 orders.", "Seven, streamed.", "Seven, responded."]

    async with openai_stack(
        template=TEMPLATE,
        make_worker=lambda link, name: SeriesWorker(link, name, texts=texts, tool_call_parser=FAMILY),
    ) as (_, _, url):
        said = json.loads(await _output("node", "talk.mjs", url, folder=tmp_path))
    assert said == {
        "call": list(RUN),
        "answer": "There are 7 orders.",
        "streamed": "Seven, streamed.",
        "response": "Seven, responded.",
    }


def test_readme_names_the_pinned_version() -> None:
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    pinned = packages["node_modules/openai"]["version"]
    assert f"| `openai` for Node | {pinned} |" in (NODE.parent / "README.md").read_text()
