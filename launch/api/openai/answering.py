"""Answers of OpenAI's routes, whole or as a stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response

from engine.wire.messages import Chunk
from engine.wire.token_ids import TOKEN_BYTES
from launch.api.openai.answer_forms import AnswerForm
from launch.api.openai.choices import Asked, Done, finish, finished, streamed, usage
from launch.api.openai.error_form import error_body
from launch.api.openai.logprobs import rows
from launch.api.replies import JsonResponse, event_stream, sse, until_disconnected
from launch.api.services import ApiServices
from launch.api.siblings import unhurried
from launch.api.timing import tell_timing
from sched.errors import SluiceError

_DONE = b"data: [DONE]\n\n"


async def reply(request: Request, services: ApiServices, asked: Asked, form: AnswerForm) -> Response:
    """Run the calls of a request and return their answer; if the client leaves, they are aborted.

    Raises:
        SluiceError: refused, or failed before the first part of a stream.
    """
    answer = _Answer(services, asked, form)
    headers = {"x-request-id": asked.rid}
    if asked.body.stream:
        return await event_stream(request, answer.events(), _last_event, headers)
    done, told = await until_disconnected(request.receive, answer.whole())
    response = JsonResponse(told, headers=headers)
    results = [each.result for each in done]
    tell_timing(response, request.scope, asked.tokenise_seconds, results, services.metrics.meters.answered)
    return response


def _last_event(error: SluiceError) -> bytes:
    return sse(error_body(error)) + _DONE


@dataclass(slots=True)
class _Sent:
    """What a stream's choice has sent: characters of its text, and of its tokens' texts, and tokens."""

    text: int = 0
    token_text: int = 0
    tokens: int = 0


@dataclass(slots=True)
class _Answer:
    services: ApiServices
    asked: Asked
    form: AnswerForm
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self) -> tuple[list[Done], dict[str, Any]]:
        done = await finished(self.services, self.asked)
        choices = []
        async for index, each in unhurried(enumerate(done)):
            answer = each.result.answer
            output = self.form.whole(answer)
            logprobs = self._logprobs(answer.meta, _Sent())
            choices.append({"index": index} | output | {"logprobs": logprobs} | finish(each))
        head = self._head(self.form.whole_object)
        return done, head | {"choices": choices, "usage": usage(done, self.asked.body.n)}

    async def events(self) -> AsyncGenerator[bytes, None]:
        sent: dict[int, _Sent] = {}
        done: dict[int, Done] = {}
        async with aclosing(streamed(self.services, self.asked)) as parts:
            async for index, part in parts:
                if index not in sent:
                    sent[index] = _Sent()
                    if (opening := self.form.opening()) is not None:
                        yield self._event(index, opening, None, sent[index])
                if isinstance(part, Done):
                    done[index] = part
                for output, logprobs in self._outputs(part, sent[index]):
                    yield self._event(index, output, logprobs, sent[index])
                if isinstance(part, Done):
                    yield self._event(index, self.form.part(""), None, sent[index], finish(part))
        if self._tells_usage:
            told = usage([done[index] for index in sorted(done)], self.asked.body.n)
            yield sse(self._head(self.form.part_object) | {"choices": [], "usage": told})
        yield _DONE

    def _outputs(self, part: Chunk | Done, so_far: _Sent) -> list[tuple[dict[str, Any], Any]]:
        """Return what ``part`` adds to a choice; its log probabilities stand with the first of it."""
        lists: Mapping[str, Any] = {}
        if isinstance(part, Done):
            answer = part.result.answer
            text = answer.text[so_far.text :] if answer.message is None else ""
            outputs = [self.form.part(text)] if text else []
        elif part.part is None:
            text, lists = part.text, part.logprobs
            outputs = [self.form.part(text)] if text else []
        else:
            text, lists = part.text, part.logprobs
            outputs = self.form.message_parts(part.part)
        so_far.text += len(text)
        new_tokens = 0 if isinstance(part, Done) else len(part.token_ids) // TOKEN_BYTES
        so_far.tokens += new_tokens
        logprobs = self._logprobs(lists, so_far) if lists else None
        if logprobs and not outputs:
            outputs = [self.form.part("")]
        return [(output, None if n else logprobs) for n, output in enumerate(outputs)]

    @property
    def _tells_usage(self) -> bool:
        return self.asked.body.stream_options.include_usage

    def _head(self, kind: str) -> dict[str, Any]:
        name = self.services.model.name
        return {"id": self.asked.rid, "object": kind, "created": self.created, "model": name}

    def _event(
        self,
        index: int,
        output: dict[str, Any],
        logprobs: Any,
        sent: _Sent,
        end: dict[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": index} | output | {"logprobs": logprobs} | (end or {"finish_reason": None})
        event = self._head(self.form.part_object) | {"choices": [choice]}
        if self.asked.body.stream_options.continuous_usage_stats:
            return sse(event | {"usage": self._usage_so_far(index, sent)})
        return sse(event | {"usage": None} if self._tells_usage else event)

    def _usage_so_far(self, index: int, sent: _Sent) -> dict[str, int]:
        prompt = self.asked.prompts[index // self.asked.body.n].tokens
        counts = {"prompt_tokens": prompt, "completion_tokens": sent.tokens}
        return counts | {"total_tokens": prompt + sent.tokens}

    def _logprobs(self, lists: Mapping[str, Any], sent: _Sent) -> dict[str, Any] | None:
        if self.asked.top_logprobs is None:
            return None
        found = rows(lists)
        token_bytes = self.services.model.token_bytes
        shown = self.form.logprobs(found, token_bytes, sent.token_text)
        sent.token_text += sum(len(token_bytes(token[1]).decode(errors="replace")) for token, _ in found)
        return shown
