"""Records what a server was asked to do, as a trace (``traces/README.md``) that can be simulated."""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from engine.controller.calls import PendingCall
from engine.controller.prompt_encoder import EncodedPrompt
from engine.controller.recording.recorded import MOST_CALLS, EndedCall, EndedWorkflow, Texts, trace_workflow
from engine.controller.recording.sharing import Outline, Sharing
from engine.controller.timeline import WorkflowRecord
from sched.errors import ConfigError
from sched.traces.trace_format import FORMAT, TraceHeader, line_of, read_header

logger = logging.getLogger(__name__)

_SOURCE = "recorded by a Sluice server"
_WAITING_ITEMS = 10_000
_MOST_TOKENS = 32_000_000
_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _SettledCall:
    """A call as the event loop hands it over; the outline is made in the thread."""

    workflow_id: str
    prompt: EncodedPrompt
    end: Callable[[Outline], EndedCall]


@dataclass(slots=True)
class _Draft:
    calls: list[EndedCall] = field(default_factory=list)
    tokens: int = 0


_Item = _SettledCall | tuple[str, EndedWorkflow | None] | None


class Recorder:
    """An observer that appends a line per finished workflow to the trace ``path``, in a thread of its own.

    A workflow that fails, or is cancelled or refused, leaves nothing; of a long one the first 256 calls are
    kept.  ``texts`` keeps prompts, too.  What waits for the thread and what open workflows keep is bounded:
    beyond that workflows are dropped, with a warning.  If the disk fails, the recording ends and the server
    goes on.

    Raises:
        ConfigError: the file can't be used: no recording, or another server's.
    """

    def __init__(self, path: Path, texts: Texts | None = None, *, most_tokens: int = _MOST_TOKENS) -> None:
        self._texts = texts
        self._most_tokens = most_tokens
        self._file, self._began, self._count = _open(path)
        self._items: queue.Queue[_Item] = queue.Queue(_WAITING_ITEMS)
        self._drafts: dict[str, _Draft] = {}
        self._tokens = 0
        self._sharing = Sharing()
        self._full = False
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    # --- in the event loop ----------------------------------------------------------------------

    def call_sent(self, call: PendingCall) -> None:
        """Nothing is recorded before a call has ended."""

    def call_settled(self, call: PendingCall) -> None:
        """Keep a call until its workflow ends."""
        self._put(_SettledCall(call.request.place.workflow_id, call.request.prompt, EndedCall.of(call)))

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """Have the workflow written if it finished."""
        self._put((record.spec.workflow_id, EndedWorkflow.of(record)))

    def _put(self, item: _Item) -> None:
        try:
            self._items.put_nowait(item)
        except queue.Full:
            if not self._full:
                logger.warning("the recording can't keep up: workflows are missing from it")
            self._full = True

    def close(self) -> None:
        """Write what is complete and close the file; waits 10 s at most."""
        try:
            self._items.put(None, timeout=_CLOSE_SECONDS)
            self._thread.join(_CLOSE_SECONDS)
        except queue.Full:
            logger.warning("the recording was not finished in time")

    # --- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        with self._file:
            while (item := self._items.get()) is not None:
                try:
                    self._take(item)
                except OSError:
                    logger.exception("the recording ends here")
                    return
                except Exception:
                    logger.exception("a workflow could not be recorded")

    def _take(self, item: _SettledCall | tuple[str, EndedWorkflow | None]) -> None:
        if isinstance(item, _SettledCall):
            self._add(item)
            return
        workflow_id, ended = item
        draft = self._drop(workflow_id)
        if ended is None or draft is None or len(draft.calls) < min(ended.calls, MOST_CALLS):
            return  # nothing to write, or something is missing
        made = trace_workflow(
            str(self._count + 1), ended, draft.calls, self._began, self._sharing, self._texts
        )
        if made is not None:
            self._file.write(line_of(made).encode())  # unbuffered: one write
            self._count += 1

    def _add(self, item: _SettledCall) -> None:
        draft = self._drafts.setdefault(item.workflow_id, _Draft())
        if len(draft.calls) < MOST_CALLS:
            draft.calls.append(item.end(Outline.of(item.prompt, keep_tokens=self._texts is not None)))
            draft.tokens += item.prompt.tokens
            self._tokens += item.prompt.tokens
        while self._tokens > self._most_tokens:
            logger.warning("too much is open to be recorded: a workflow is dropped")
            self._drop(next(iter(self._drafts)))

    def _drop(self, workflow_id: str) -> _Draft | None:
        draft = self._drafts.pop(workflow_id, None)
        self._tokens -= draft.tokens if draft else 0
        return draft


def _open(path: Path) -> tuple[BinaryIO, float, int]:
    """Return the file to append to, the Unix time of its beginning, and the workflows in it."""
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise ConfigError(f"--record {path}: {error.strerror}; name a file to write to") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        began, lines = _begun(path, file)
    except BaseException as error:
        file.close()
        if isinstance(error, BlockingIOError):
            raise ConfigError(f"--record {path} is another server's: name another file") from error
        raise
    return file, began, lines - 1


def _begun(path: Path, file: BinaryIO) -> tuple[float, int]:
    """Return the beginning and the lines of a recording, begun now if it is empty; mend a torn one."""
    file.seek(0)
    lines, whole = 0, 0
    for line in file:
        if line.endswith(b"\n"):
            lines, whole = lines + 1, whole + len(line)
    os.ftruncate(file.fileno(), whole)
    if not lines:
        began = time.time()
        file.write(line_of(TraceHeader(format=FORMAT, source=_SOURCE, began=began)).encode())
        return began, 1
    header = read_header(path)
    if header.began is None:
        raise ConfigError(f"--record {path} is a trace, but no recording: name another file")
    return header.began, lines
