"""One SGLang engine.  Besides ``engine/sglang/hook.py`` the only file that knows SGLang."""

from __future__ import annotations

import asyncio
import json
import signal
import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from engine.sglang import engine_info, hook, kv_events, process_metrics, translation
from engine.sglang.chat_formats import ChatFormats
from engine.sglang.engine_arguments import engine_arguments
from engine.sglang.first_use import WARM_UPS
from engine.sglang.kv_feed import Send
from engine.sglang.mixed_chunks import BATCHING_METHOD
from engine.sglang.pass_ring import PASSES_FILE, PassReader
from engine.sglang.rekeys import Rekeys
from engine.sglang.turns import SchedulerPulses
from engine.wire.messages import RID_LENGTH, Generate
from engine.wire.token_ids import pack_ids
from engine.wire.tokenizer_identity import tokenizer_hash
from engine.wire.worker_spec import WorkerSpec
from engine.worker.descendants import end_children, unlink_shared_files
from engine.worker.runtime_interface import Output, OutputReader, RuntimeInfo, RuntimeLoad, StartError
from sched.predict.speed import Pass

PROOF_SECONDS = 30.0
WARM_UP_SECONDS = 120.0
WARM_UP_TOKENS = 4


def import_engine() -> None:
    """Import SGLang (seconds), so that the progress of a start can be told.

    Raises:
        StartError: it is not installed or not importable.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about kernels of other devices
            import sglang.srt.entrypoints.engine  # noqa: F401
    except ImportError as error:
        raise StartError(f"SGLang can't be imported: {error}") from error


def child_failed(_signum: int, _frame: object) -> None:
    """Stand in for SGLang's SIGQUIT handler during the start, which would kill this process.

    Raises:
        StartError: always; a child of SGLang sends the signal when it fails.
    """
    raise StartError("a process of SGLang's ended during the start")


class SglangRuntime:
    """An SGLang engine in this process and its children, a :class:`~engine.worker.runtime_interface.Runtime`.

    Raises:
        StartError: the engine can't be built; the message is SGLang's reason.
    """

    simulated = False

    def __init__(self, spec: WorkerSpec, run_dir: Path) -> None:
        from sglang.srt.entrypoints.engine import Engine

        self._spec = spec
        self._run_dir = run_dir
        arguments = engine_arguments(spec, run_dir)
        self._cache = kv_events.CacheWatch(spec.name, arguments, run_dir)
        try:
            self._engine: Any = Engine(**arguments, custom_sigquit_handler=child_failed)
        except Exception as error:
            raise StartError(self._reason(error)) from error
        self._manager: Any = self._engine.tokenizer_manager
        self._formats = self._chat_formats()
        self._passes = PassReader(run_dir / PASSES_FILE)
        self._pulses = SchedulerPulses(run_dir)
        self._report: dict[str, Any] = {}
        self._rekeys = Rekeys(self._tell_schedulers)

    def _chat_formats(self) -> ChatFormats:
        calls, thinking = (
            None if (name := self._manager.config_value(field)) == "auto" else name  # it found none
            for field in ("tool_call_parser", "reasoning_parser")
        )
        return ChatFormats(calls, thinking, self._engine.template_manager, self._manager.tokenizer)

    def _reason(self, error: Exception) -> str:
        """Prefer what the scheduler process wrote down to what this process saw of it."""
        try:
            text = (self._run_dir / hook.FAILURE_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            text = str(error) if isinstance(error, StartError) else f"{type(error).__name__}: {error}"
        first_line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        return f"SGLang can't start {self._spec.model_path}: {first_line}"

    def prove(self) -> tuple[str, ...]:
        """Have every scheduler process order synthetic requests; return the order it reported.

        Raises:
            StartError: a process can't, or brings them into another order.
        """
        report = self._run_dir / "proof"
        # collective_rpc waits without limit.
        self._engine.send_to_rpc.rcvtimeo = int(PROOF_SECONDS * 1000)
        try:
            self._engine.collective_rpc(hook.PROVE_METHOD, report=str(report))
        except Exception as error:
            raise StartError(
                f"the ordering hook is not live in SGLang's scheduler process ({error}); "
                "is the checkout installed with pip install -e, and SGLANG_PLUGINS unset?"
            ) from error
        reports = {path.read_text(encoding="utf-8") for path in self._run_dir.glob("proof.*")}
        if len(reports) != 1:
            raise StartError(f"the scheduler processes sent {len(reports)} unlike proofs, not one")
        self._report = json.loads(reports.pop())
        return tuple(self._report["order"])

    async def open(self) -> RuntimeInfo:
        """Start SGLang's receiving task on the running loop and return what the runtime is."""
        from sglang.version import __version__

        # It also installs signal handlers, once: the worker's come after and stay.
        self._manager.auto_create_handle_loop()
        self._cache.start()
        return RuntimeInfo(
            context_length=int(self._manager.model_config.context_len),
            max_total_tokens=int(self._report["max_total_tokens"]),
            max_running_requests=int(self._report["max_running_requests"]),
            engine_version=f"sglang {__version__}",
            tokenizer_hash=tokenizer_hash(engine_info.tokenizer_folder(self._spec.model_path)),
            device=self._spec.device,
            overlap=bool(self._report["overlap"]),
            chunk_tokens=int(self._report["chunk_tokens"]),
            mixed=bool(self._report["mixed"]),
            vocab_size=int(self._manager.model_config.vocab_size),
            tool_call_parser=self._formats.tool_call_parser,
        )

    async def warm_up(self) -> None:
        """Serve short requests that use what clients may ask for, one after another.

        Raises:
            StartError: one fails, or all take longer than ``WARM_UP_SECONDS``.
        """
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                for number, sampling in enumerate(WARM_UPS):
                    await self._try_out(number, sampling)
        except StartError:
            raise
        except Exception as error:
            raise StartError(f"a warm-up request failed: {type(error).__name__}: {error}") from error
        await self.load()  # maps SGLang's load reports
        unlink_shared_files()

    async def _try_out(self, number: int, sampling: Mapping[str, Any]) -> None:
        request = Generate(
            rid=f"warm-up-{number}".ljust(RID_LENGTH, "-"),
            token_ids=pack_ids(range(1, WARM_UP_TOKENS + 1)),
            sampling={"max_new_tokens": WARM_UP_TOKENS, **sampling},
            key=0.0,
            sequence=number,
            remaining_seconds=WARM_UP_SECONDS,
        )
        outputs = [output async for output in self.generate(request)]
        reason = outputs[-1].finish_reason or {}
        if reason.get("type") == "abort":
            raise StartError(f"a warm-up request failed: {reason.get('message')}")

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        """Yield the growing output of ``request``.

        Raises:
            ValueError: SGLang refuses the request.
        """
        from sglang.srt.managers.io_struct import GenerateReqInput

        fields = translation.fields(request, int(self._manager.model_config.vocab_size))
        fields |= self._formats.request_fields(request.reading)
        fields["sampling_params"] |= self._formats.sampling(request.reading)
        async for answer in self._manager.generate_request(GenerateReqInput(**fields), None):
            yield translation.output(answer, len(request.token_ids) // 4)

    def reader(self, request: Generate) -> OutputReader | None:
        """Return what reads the output of ``request``, if it is a chat's with tools or thinking.

        Raises:
            ValueError: the tools of the request are no tools.
        """
        return self._formats.reader(request.reading)

    def abort(self, rid: str) -> None:
        """Have SGLang end the request, waiting or running."""
        self._manager.abort_request(rid)

    def rekey(self, rid: str, key: float) -> None:
        """Have SGLang's schedulers give a waiting request another key, between two forward passes."""
        self._rekeys.add(rid, key)

    def _tell_schedulers(self, keys: Mapping[str, float]) -> None:
        """Wait, for at most ``PROOF_SECONDS``, until all have ``keys``; not from two threads at a time."""
        # Parameters are flat scalars.
        self._engine.collective_rpc(hook.REKEY_METHOD, keys=json.dumps(keys))

    async def load(self) -> RuntimeLoad:
        """Return what SGLang's schedulers last published (at least every 15 passes, and when idle)."""
        loads = await self._manager.get_loads()
        return RuntimeLoad(
            running=sum(load.num_running_reqs for load in loads),
            waiting=sum(load.num_waiting_reqs for load in loads),
            used_tokens=sum(load.num_used_tokens for load in loads),
            scheduler_steps=hook.read_steps(self._run_dir),
            still_seconds=self._pulses.still_seconds(),
        )

    def passes(self, most: int) -> list[Pass]:
        """Return the forward passes that SGLang's scheduler timed since the call before."""
        return self._passes.take(most)

    async def set_prefill_budget(self, tokens: int) -> None:
        """Have SGLang's schedulers prefill up to ``tokens`` per pass beside decoding.

        Raises:
            RuntimeError: they can't.
        """
        try:
            await asyncio.to_thread(self._engine.collective_rpc, BATCHING_METHOD, budget=tokens)
        except Exception as error:
            raise RuntimeError(f"no prefill budget can be set: {error}") from error

    async def loads(self) -> list[dict[str, Any]]:
        """Return what SGLang's schedulers last published, with all sections."""
        return [load.to_dict() for load in await self._manager.get_loads()]

    async def server_info(self) -> dict[str, Any]:
        """Return SGLang's resolved arguments and its schedulers' states."""
        info = await engine_info.server_info(self._manager)
        return info | {"max_total_num_tokens": self._report["max_total_tokens"]}

    async def flush_cache(self) -> bool:
        """Empty the radix cache, if SGLang is idle."""
        return bool((await self._manager.flush_cache()).success)

    def report_cache(self, send: Send) -> None:
        """Report the radix cache to ``send``, and from then on every change; nothing without KV events."""
        self._cache.report(send)

    async def metrics(self) -> str:
        """Return what SGLang's processes counted, with a label that names the runtime."""
        return await asyncio.to_thread(process_metrics.collect, self._spec.name)

    def shutdown(self) -> None:
        """End SGLang's processes.

        Not through ``Engine.shutdown``, which leaves files in shared memory.
        """
        self._cache.close()
        # SGLang's watchdog takes the end of a child for a failure and signals this process.
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        end_children()
