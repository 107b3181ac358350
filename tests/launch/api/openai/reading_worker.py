"""A scripted worker whose outputs are read by SGLang's own parsers, as a real one's are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

from engine.sglang.chat_formats import ChatFormats
from engine.wire.messages import Generate
from engine.worker.request_reporter import RequestReporter
from engine.worker.runtime_interface import Output, OutputReader, Runtime
from tests.engine.sglang.tool_samples import formats
from tests.launch.api.api_fakes import FakeLink, FakeWorker

TEMPLATE = (
    "{% for t in tools or [] %}{{ t.function.name }} {% endfor %}"
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} "
    "{% for c in m.tool_calls or [] %}{{ c.function.name }} {{ c.function.arguments.query }} {% endfor %}"
    "<|end|> {% endfor %}<|assistant|>"
)
"""A chat template that knows tools and calls."""


@dataclass
class ReadingWorker(FakeWorker):
    """Says ``text`` in tokens of ``size`` characters; each is a chunk of its own."""

    text: str = ""
    size: int = 4
    reasoning_parser: str = ""

    @property
    def formats(self) -> ChatFormats:
        return formats(self.tool_call_parser, self.reasoning_parser)

    async def _serve(self, request: Generate) -> None:
        clock = iter(range(10**6)).__next__  # a second between readings: no chunk waits for the next
        reporter = RequestReporter(request, self._send, lambda: float(clock()))
        await reporter.run(cast(Runtime, _Speaking(self)))


@dataclass
class _Speaking:
    worker: ReadingWorker

    def reader(self, request: Generate) -> OutputReader | None:
        return self.worker.formats.reader(request.reading)

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        text, size = self.worker.text, self.worker.size
        count = -(-len(text) // size)
        ids = [100 + i % 5 for i in range(count)]
        for n in range(1, count + 1):
            logprobs = {"output_token_logprobs": [[-0.5, token_id, None] for token_id in ids[:n]]}
            yield Output(
                text=text[: n * size],
                token_ids=ids[:n],
                prompt_tokens=len(request.token_ids) // 4,
                cached_tokens=2,
                finish_reason=self.worker.reason if n == count else None,
                meta=logprobs if request.logprobs else {},
            )
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def speaking(text: str, size: int = 4, **fields: Any) -> Callable[[FakeLink, str], FakeWorker]:
    """Return a maker of workers that say ``text``."""
    return lambda link, name: ReadingWorker(link, name, text=text, size=size, **fields)
