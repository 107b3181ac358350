"""A streamed request's log probabilities: each chunk carries what is new, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from engine.wire.messages import Chunk, Finished, Generate, WireMessage
from engine.worker.request_reporter import COALESCE_SECONDS, RequestReporter
from engine.worker.runtime_interface import Output, Runtime


class Growing:
    """Yields an output that grows by a token at a time, as SGLang does; its lists run ahead."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        ahead = [[-float(token), token, None] for token in range(1, 5)]
        meta = {"input_token_logprobs": [[None, 9, None]], "output_token_logprobs": ahead, "other": 1}
        for count in range(1, 5):
            reason = {"type": "length", "length": 4} if count == 4 else None
            ids = tuple(range(1, count + 1))
            yield Output(
                text="ab"[:count],
                token_ids=ids,
                prompt_tokens=1,
                cached_tokens=0,
                finish_reason=reason,
                meta=meta,
            )
            await asyncio.sleep(self.pause)


async def delivered(logprobs: dict[str, Any], pause: float) -> list[WireMessage]:
    sent: list[WireMessage] = []
    request = Generate(
        rid="r" * 24,
        token_ids=b"\0\0\0\0",
        sampling={},
        key=0.0,
        sequence=1,
        remaining_seconds=5.0,
        logprobs=logprobs,
        stream=True,
    )
    await RequestReporter(request, sent.append).run(cast(Runtime, Growing(pause)))
    return sent


async def test_chunks_carry_new_log_probabilities_once() -> None:
    """As many as the chunk has tokens, though SGLang's list is longer; the prompt's with the first only."""
    sent = await delivered({"return_logprob": True}, 2 * COALESCE_SECONDS)
    chunks = [message for message in sent if isinstance(message, Chunk)]
    assert len(chunks) > 1
    assert [len(chunk.logprobs["output_token_logprobs"]) for chunk in chunks] == [
        len(chunk.token_ids) // 4 for chunk in chunks
    ]
    tokens = [entry[1] for chunk in chunks for entry in chunk.logprobs["output_token_logprobs"]]
    assert tokens == [1, 2, 3, 4]
    assert chunks[0].logprobs["input_token_logprobs"] == [[None, 9, None]]
    assert all("input_token_logprobs" not in chunk.logprobs for chunk in chunks[1:])
    ending = sent[-1]
    assert isinstance(ending, Finished)
    assert len(ending.meta["output_token_logprobs"]) == 4


async def test_a_request_that_wants_none_gets_none() -> None:
    """Chunks stay small."""
    sent = await delivered({}, 0.0)
    assert all(not message.logprobs for message in sent if isinstance(message, Chunk))
