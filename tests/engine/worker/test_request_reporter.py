"""A streamed request's log probabilities: each chunk carries what is new, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from engine.wire.chat_output import MessagePart
from engine.wire.messages import Chunk, Failed, Finished, Generate, WireMessage
from engine.worker.request_reporter import COALESCE_SECONDS, RequestReporter
from engine.worker.runtime_interface import Output, Runtime


class Growing:
    """Yields an output that grows by a token at a time, as SGLang does; its lists run ahead."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def reader(self, request: Generate) -> None:
        """Nothing is read."""

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


class Capitals:
    """Reads text in capitals; the last letter comes with the end only."""

    def feed(self, text: str) -> MessagePart:
        return MessagePart(content=text.upper())

    def end(self, text: str) -> tuple[MessagePart, MessagePart]:
        return MessagePart(reasoning="z"), MessagePart(content=text.upper(), reasoning="z")

    def read(self, text: str) -> MessagePart:
        return MessagePart(content=text.upper())


class ReadAloud(Growing):
    """Such an output, read."""

    def reader(self, request: Generate) -> Any:
        return Capitals()


async def delivered(
    logprobs: dict[str, Any], pause: float, kind: type[Growing] = Growing, stream: bool = True
) -> list[WireMessage]:
    sent: list[WireMessage] = []
    request = Generate(
        rid="r" * 24,
        token_ids=b"\0\0\0\0",
        sampling={},
        key=0.0,
        sequence=1,
        remaining_seconds=5.0,
        logprobs=logprobs,
        stream=stream,
    )
    await RequestReporter(request, sent.append).run(cast(Runtime, kind(pause)))
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


async def test_an_output_that_is_read_ends_with_its_message() -> None:
    """A stream's last part comes before it, even with no new token; what isn't streamed is read at once."""
    sent = await delivered({}, 2 * COALESCE_SECONDS, ReadAloud)
    *chunks, ending = [message for message in sent if isinstance(message, Chunk | Finished)]
    parts = [chunk.part for chunk in chunks if isinstance(chunk, Chunk) and chunk.part is not None]
    assert len(parts) == len(chunks) > 1
    assert parts[-1] == MessagePart(reasoning="z")
    assert isinstance(ending, Finished)
    assert ending.message == MessagePart(content="AB", reasoning="z")
    (only,) = [
        m for m in await delivered({}, 0.0, ReadAloud, stream=False) if isinstance(m, Chunk | Finished)
    ]
    assert isinstance(only, Finished)
    assert only.message == MessagePart(content="AB")
    plain = await delivered({}, 0.0)
    assert [m.message for m in plain if isinstance(m, Finished)] == [None]


async def test_tools_that_are_none_are_the_clients_error() -> None:
    """The runtime refuses them before it begins."""

    class Refusing(Growing):
        def reader(self, request: Generate) -> Any:
            raise ValueError("tools: no schema")

    (failed,) = await delivered({}, 0.0, Refusing)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == ("invalid_request", "tools: no schema")
