"""``python -m launch.demo``: start a server, ask the demo database a question, show how it is answered.

Everything is real: two SGLang runtimes, the scheduler, the workflow and SQLite.  Only the embedded
model is a toy, with random weights, so that the SQL runs but doesn't answer the question.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.client import ask

QUESTION = "Which customers from Germany placed the most orders last year?"
_START_SECONDS = 300.0
_ANSWER_SECONDS = 120.0
_STOP_SECONDS = 60.0
_SHOWN_ROWS = 10


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.demo", description=__doc__)
    parser.add_argument("question", nargs="?", default=QUESTION, help="what to ask the shop database")
    parser.add_argument("--port", type=int, default=0, help="port of the demo's server (default: a free one)")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    port = arguments.port or _free_port()
    server = subprocess.Popen([sys.executable, "-m", "launch.server", "--port", str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(server, url)
        return _show(console, url, arguments.question)
    except (RuntimeError, httpx.HTTPError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        _stop(server)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("the server ended while starting; its message is above")
        try:
            if httpx.get(f"{url}/readiness", timeout=2.0, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server was not ready after {_START_SECONDS:.0f} s")


def _show(console: Console, url: str, question: str) -> int:
    console.print(f"\n[bold]Question[/] (database shop): {escape(question)}\n", soft_wrap=True)
    for event in ask(url, question, "shop", timeout_seconds=_ANSWER_SECONDS):
        if event.name == "step":
            line = _step_line(event.data)
            if line:
                console.print(line, soft_wrap=True)
        elif event.name == "error":
            console.print(f"[red]failed:[/] {escape(str(event.data))}")
            return 1
        elif event.name == "result":
            _show_answer(console, event.data)
            return 0
    raise RuntimeError("the server closed the stream without a result")


def _step_line(step: Mapping[str, Any]) -> str | None:
    """Return a line for a step that was sent or has ended, ``None`` for states between."""
    if step["state"] not in ("dispatched", "finished", "failed", "cancelled"):
        return None
    branch = "" if step["branch"] is None else f" #{step['branch'] + 1}"
    total = step["total_seconds"] or 0.0
    when = step["ready_at"] + (step.get("waited_seconds") or 0.0 if step["state"] == "dispatched" else total)
    head = f"{when:6.2f} s  {step['stage'] + branch:<22}"
    if step["state"] == "dispatched":
        reason = escape(step["decision"]["reason"])
        return f"[dim]{head} → {step['runtime']}: {step['decision']['placement']}, {reason}[/]"
    if step["kind"] == "sql":
        outcome = f"{step['row_count']} rows" if step["error"] is None else escape(step["error"])
        return f"{head} SQL: {outcome} in {total * 1000:.0f} ms"
    if step["state"] != "finished":
        return f"[yellow]{head} {step['state']}: {escape(str(step['error']))}[/]"
    tokens = (
        f"{step['prompt_tokens']} tokens in ({step['cached_tokens']} cached), {step['output_tokens']} out"
    )
    ttft = f"first token after {step['ttft_seconds']:.2f} s" if step["ttft_seconds"] is not None else ""
    return f"{head} done on {step['runtime']} in {total:.2f} s, {ttft}, {tokens}"


def _show_answer(console: Console, answer: Mapping[str, Any]) -> None:
    met = "met" if answer["deadline_met"] else "missed"
    console.print(f"\n[bold]Status[/]: {answer['status']}   [bold]SQL[/]: {escape(str(answer['sql']))}\n")
    table = Table(*(escape(str(column)) for column in answer["columns"]))
    for row in answer["rows"][:_SHOWN_ROWS]:
        table.add_row(*(escape(str(value)) for value in row))
    console.print(table)
    if len(answer["rows"]) > _SHOWN_ROWS:
        console.print(f"… {len(answer['rows']) - _SHOWN_ROWS} more rows")
    calls = [step for step in answer["timeline"] if step["kind"] == "call"]
    runtimes = sorted({step["runtime"] for step in calls if step["runtime"]})
    console.print(
        f"{len(calls)} calls on {', '.join(runtimes)} in {answer['seconds']:.2f} s; "
        f"deadline of {answer['slo_seconds']:g} s {met}."
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(5.0)


if __name__ == "__main__":
    sys.exit(main())
