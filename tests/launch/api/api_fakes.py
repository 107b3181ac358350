"""What stands below the API in its tests: a link with scripted workers, a database, a workflow."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, field
from typing import Any

from engine.wire import codec
from engine.wire import messages as msg
from engine.wire.ordering_proof import PROOF_ORDER
from plugins.text2sql.linking.room import TokenCounter
from plugins.text2sql.question import QuestionRequest
from sched.errors import Failure, NotFoundError
from sched.workflow import GenerateParams, PlanStep, Segment, SegmentKind, SqlResult, Steps, WorkflowProgram

CONTEXT_LENGTH = 512


class FakeLink:
    """A ``RouterLink`` whose workers live in this process; every message passes the wire's codec."""

    def __init__(self) -> None:
        self.workers: dict[bytes, FakeWorker] = {}
        self._inbox: asyncio.Queue[tuple[bytes, msg.WireMessage]] = asyncio.Queue()

    async def recv(self) -> tuple[bytes, msg.WireMessage]:
        return await self._inbox.get()

    def send(self, identity: bytes, message: msg.WireMessage) -> bool:
        self.workers[identity].receive(codec.decode(codec.encode(message)))
        return True

    refused = 0

    def look(self) -> int:
        return 0

    def close(self, linger_seconds: float = 1.0) -> None:
        """Nothing is open."""

    def from_worker(self, identity: bytes, message: msg.WireMessage) -> None:
        self._inbox.put_nowait((identity, codec.decode(codec.encode(message))))


@dataclass
class FakeWorker:
    """Answers each ``Generate`` with ``output``, one chunk a word; after the first it waits for ``go``.

    With ``stalls`` it waits before the first, too.  With ``failure`` it fails instead, after the first word
    if ``fails_late``.
    ``held_back`` is text of the whole output that no chunk has.  A command is answered with what ``answers``
    has for it, an exception as an error; not at all if it has nothing.
    """

    link: FakeLink
    name: str
    output: tuple[str, ...] = ("SELECT", " 1", " + 1")
    failure: Failure | None = None
    fails_late: bool = False
    stalls: bool = False
    held_back: str = ""
    reason: dict[str, Any] = field(default_factory=lambda: {"type": "stop", "matched": 2})
    tool_call_parser: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    commands: list[msg.Command] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    received: list[msg.WireMessage] = field(default_factory=list)
    requests: list[msg.Generate] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    rekeys: list[tuple[str, float]] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.go.set()
        self.link.workers[self.name.encode()] = self

    def hello(self) -> None:
        self._send(
            msg.Hello(
                runtime=self.name,
                pid=1,
                model_path="fake",
                tokenizer_hash="t",
                context_length=CONTEXT_LENGTH,
                max_total_tokens=100_000,
                max_running_requests=8,
                device="fake",
                engine_version="fake",
                hook_proof=PROOF_ORDER,
                simulated=False,
                tool_call_parser=self.tool_call_parser,
            )
        )

    def beat(self) -> None:
        self._send(msg.Heartbeat(runtime=self.name, running=0, waiting=0, used_tokens=0, scheduler_steps=0))

    def receive(self, message: msg.WireMessage) -> None:
        self.received.append(message)
        if isinstance(message, msg.Generate):
            self.requests.append(message)
            self.tasks[message.rid] = asyncio.create_task(self._serve(message))
        elif isinstance(message, msg.AbortRequest):
            self.aborted.append(message.rid)
            self.tasks[message.rid].cancel()
            self._send(msg.Failed(rid=message.rid, code="cancelled", message="aborted"))
        elif isinstance(message, msg.RekeyRequest):
            self.rekeys.append((message.rid, message.key))
        elif isinstance(message, msg.Command):
            self.commands.append(message)
            self._answer(message)

    def _answer(self, command: msg.Command) -> None:
        if command.action not in self.answers:
            return
        answer = self.answers[command.action]
        failed = isinstance(answer, Exception)
        result, error = (None, str(answer)) if failed else (answer, "")
        self._send(msg.CommandReply(rid=command.rid, runtime=self.name, result=result, error=error))

    def _send(self, message: msg.WireMessage) -> None:
        self.link.from_worker(self.name.encode(), message)

    async def _serve(self, request: msg.Generate) -> None:
        rid = request.rid
        if self.stalls:
            await self.go.wait()
        if self.failure is not None and not self.fails_late:
            self._send(msg.Failed(rid=rid, code=self.failure.code, message=self.failure.message))
            return
        self._send(msg.FirstTokenReady(rid=rid, seconds=0.01, cached_tokens=2))
        ids = [100 + index for index in range(len(self.output))]
        for token_id, word in zip(ids, self.output, strict=True):
            if request.stream:
                packed = array("i", [token_id]).tobytes()
                logprobs = _logprobs(request, [token_id], first=token_id == ids[0])
                self._send(msg.Chunk(rid=rid, text=word, token_ids=packed, logprobs=logprobs))
            await asyncio.sleep(0)
            await self.go.wait()
            if self.failure is not None:
                self._send(msg.Failed(rid=rid, code=self.failure.code, message=self.failure.message))
                return
        self._send(
            msg.Finished(
                rid=rid,
                text="".join(self.output) + self.held_back,
                token_ids=array("i", ids).tobytes(),
                finish_reason=self.reason,
                prompt_tokens=len(request.token_ids) // 4,
                cached_tokens=2,
                output_tokens=len(ids),
                ttft_seconds=0.01,
                total_seconds=0.02,
                meta={"weight_version": "default"} | _logprobs(request, ids),
            )
        )


def _logprobs(request: msg.Generate, ids: list[int], first: bool = True) -> dict[str, Any]:
    """Return what SGLang reports if it is asked for log probabilities: here a hundredth of the id.

    What concerns the prompt comes with the ``first`` token.
    """
    if not request.logprobs.get("return_logprob"):
        return {}
    tokens = [[-token_id / 100, token_id, None] for token_id in ids]
    top = request.logprobs.get("top_logprobs_num", 0)
    tops = [[[-token_id / 100 - i, token_id + i, None] for i in range(top)] for token_id in ids]
    start = request.logprobs.get("logprob_start_len", -1)
    prompt = array("i", request.token_ids)[start:] if start >= 0 else []
    of_prompt = {"input_token_logprobs": [[None, token_id, None] for token_id in prompt]} if first else {}
    return of_prompt | {"output_token_logprobs": tokens} | ({"output_top_logprobs": tops} if top else {})


ENDLESS = "SELECT until cancelled"


class FakeSql:
    """Answers every statement with one row, but for ``ENDLESS``, which only ends when it is cancelled."""

    async def execute(
        self, database: str, statement: str, timeout_seconds: float, *, slack_seconds: float = 0.0
    ) -> SqlResult:
        if statement == ENDLESS:
            await asyncio.Event().wait()
        return SqlResult(statement, ("n",), ((2,),))


class FakeText2Sql:
    """One call, one statement; ``answer`` replaces parts of the result, ``error`` is raised."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.error: Exception | None = None
        self.asked: list[tuple[str, str, int | None]] = []
        self.hints: list[str] = []

    def plan(self, request: QuestionRequest) -> tuple[PlanStep, ...]:
        return (PlanStep("generate_candidate", 1.0),)

    def prepare(self, database: str) -> None:
        """Nothing to make."""

    async def check_context(self, database: str, context_tokens: int, count_tokens: TokenCounter) -> None:
        """There is room."""

    def program(self, request: QuestionRequest, database: str) -> WorkflowProgram:
        if database == "gone":
            raise NotFoundError("no such database", field="database")
        self.asked.append((request.question, database, request.candidates))
        self.hints.append(request.evidence)

        async def run(steps: Steps) -> dict[str, Any]:
            segments = [Segment(SegmentKind.QUESTION, request.question)]
            generation = await steps.generate("generate_candidate", segments, GenerateParams(16))
            if self.error is not None:
                raise self.error
            result = await steps.sql("execute", generation.text)
            columns, rows = list(result.columns), [list(row) for row in result.rows]
            return {
                "status": "ok",
                "sql": result.statement,
                "columns": columns,
                "rows": rows,
                "truncated": False,
                "sql_error": None,
                "candidates": [{"index": 0, "sql": result.statement}],
            } | self.answer

        return run
