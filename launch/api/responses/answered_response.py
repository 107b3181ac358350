"""A response as it is told: whole, or as a stream of events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from launch.api.openai.error_form import error_body
from launch.api.replies import sse
from launch.api.responses.output_items import Event, OutputItems
from launch.api.responses.response_bodies import ResponsesBody
from launch.api.responses.said import Ended, SaidPart, Speech
from sched.errors import SluiceError

Keep = Callable[[dict[str, Any]], None]
_GOES_ON = b": the workflow runs\n\n"


@dataclass(slots=True, kw_only=True)
class AnsweredResponse:
    """The answer to ``body``, named ``response_id``; ``defaults``: the ``model``'s sampling parameters."""

    body: ResponsesBody
    response_id: str
    model: str
    defaults: Mapping[str, float]
    created: int = field(default_factory=lambda: int(time.time()))
    _output: OutputItems = field(default_factory=OutputItems)
    _numbers: Iterator[int] = field(default_factory=count)
    ended: Ended | None = None

    async def whole(self, speech: Speech, keep: Keep) -> dict[str, Any]:
        """Return the response once all is said, and ``keep`` it.

        Raises:
            SluiceError: raised by ``speech``.
        """
        async with aclosing(speech):
            async for said in speech:
                for _ in self._take(said):
                    pass
        response = self.response()
        keep(response)
        return response

    async def events(self, speech: Speech, keep: Keep) -> AsyncGenerator[bytes, None]:
        """Yield the events, and ``keep`` the response before the last.

        The first one comes once something is said, so that a refusal has a status of its own.

        Raises:
            SluiceError: raised by ``speech``; :meth:`failed` tells of it.
        """
        begun = False
        async with aclosing(speech):
            async for said in speech:
                if not begun:
                    begun = True
                    for kind in ("created", "in_progress"):
                        yield self._sent({"type": f"response.{kind}", "response": self.response()})
                if said is None:
                    yield _GOES_ON
                for event in self._take(said):
                    yield self._sent(event)
        last = self.response()
        keep(last)
        yield self._sent({"type": f"response.{last['status']}", "response": last})

    def failed(self, error: SluiceError) -> bytes:
        """Return the last event of a stream that failed."""
        why = {"code": "server_error", "message": error.message}
        response = self.response() | {"status": "failed", "error": why, "sluice": error_body(error)["error"]}
        return self._sent({"type": "response.failed", "response": response})

    def response(self) -> dict[str, Any]:
        """Return the response as far as it is known."""
        body, ended = self.body, self.ended
        cut = ended is not None and ended.cut
        status = "in_progress" if ended is None else "incomplete" if cut else "completed"
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "max_tool_calls": None,
            "model": self.model,
            "output": list(self._output.items),
            "parallel_tool_calls": body.parallel_tool_calls,
            "previous_response_id": body.previous_response_id,
            "conversation": None if body.conversation is None else {"id": body.conversation},
            "reasoning": {"effort": body.reasoning.effort, "summary": None},
            "service_tier": "default",
            "store": body.store,
            "temperature": self._sampled("temperature", body.temperature),
            "text": {"format": self._format()},
            "tool_choice": _plain(body.tool_choice),
            "tools": [tool.model_dump() for tool in body.tools],
            "top_logprobs": body.top_logprobs or 0,
            "top_p": self._sampled("top_p", body.top_p),
            "truncation": "disabled",
            "usage": None if ended is None else _usage(ended.usage),
            "user": body.user if isinstance(body.user, str) else None,
            "metadata": body.metadata or {},
            "sluice": None if ended is None else dict(ended.sluice),
        }

    def _take(self, said: SaidPart | Ended | None) -> Iterable[Event]:
        if isinstance(said, SaidPart):
            return self._output.take(said.part, said.logprobs)
        if said is None:
            return ()
        self.ended = said
        return self._output.end("incomplete" if said.cut else "completed")

    def _sent(self, event: Event) -> bytes:
        return sse(event | {"sequence_number": next(self._numbers)}, event["type"])

    def _sampled(self, name: str, given: float | None) -> float:
        return float(next(value for value in (given, self.defaults.get(name), 1.0) if value is not None))

    def _format(self) -> dict[str, Any]:
        form = self.body.text.format
        if form is None or form.type != "json_schema":
            return {"type": "text" if form is None else form.type}
        return form.model_dump(by_alias=True, exclude_none=True)


def _plain(choice: Any) -> Any:
    return choice if isinstance(choice, str) else choice.model_dump(exclude_unset=True)


def _usage(told: Mapping[str, Any]) -> dict[str, Any]:
    thinking = told.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    return {
        "input_tokens": told["prompt_tokens"],
        "input_tokens_details": told["prompt_tokens_details"],
        "output_tokens": told["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": thinking},
        "total_tokens": told["total_tokens"],
    }
