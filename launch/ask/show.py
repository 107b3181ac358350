"""An answer on a terminal: its steps while they happen, then SQL, rows and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.ask.client import ask

_ANSWER_SECONDS = 120.0
_SHOWN_ROWS = 10
_STATUS = {
    "ok": "",
    "empty": "The SQL ran and found no rows.",
    "no_sql_ran": "No SQL could be run, so there is no answer.",
}

_UNREADABLE = "unreadable: the workflow could make nothing of the answer"


def show_answer(
    console: Console, url: str, question: str, database: str | None, steps: bool, evidence: str = ""
) -> Mapping[str, Any] | None:
    """Ask the server at ``url`` and show the answer, with ``steps`` also how it comes about.

    ``evidence`` is a hint to the model, where the server's workflow takes one.  Return the
    answer, or ``None`` if the workflow failed, which is shown too.

    Raises:
        httpx.HTTPError: the server can't be reached, refuses or is silent.
        RuntimeError: the stream ended early.
    """
    console.print(f"\n[bold]Question[/]: {escape(question)}\n", soft_wrap=True)
    options = {"evidence": evidence} if evidence else {}
    finished: set[int] = set()
    for event in ask(url, question, database, timeout_seconds=_ANSWER_SECONDS, **options):
        if event.name == "step" and steps:
            line = step_line(event.data, again=event.data["index"] in finished)
            if line:
                console.print(line, soft_wrap=True)
            if event.data["state"] == "finished":
                finished.add(event.data["index"])
        elif event.name == "error":
            console.print(f"[red]failed:[/] {escape(str(event.data['error']['message']))}")
            return None
        elif event.name == "result":
            _show_result(console, event.data)
            return event.data
    raise RuntimeError("the server closed the stream without a result")


def step_line(step: Mapping[str, Any], again: bool = False) -> str | None:
    """Return a line for a step that was sent or has ended, ``None`` for states between.

    If its end is shown ``again``, the line says what has turned out since, if anything.
    """
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
    remark = f"[yellow]{_UNREADABLE}[/]" if step.get("unreadable") else ""
    if again:
        return f"{head} {remark}" if remark else None
    tokens = (
        f"{step['prompt_tokens']} tokens in ({step['cached_tokens']} cached), {step['output_tokens']} out"
    )
    ttft = f"first token after {step['ttft_seconds']:.2f} s" if step["ttft_seconds"] is not None else ""
    return f"{head} done on {step['runtime']} in {total:.2f} s, {ttft}, {tokens}{remark and f', {remark}'}"


def _show_result(console: Console, answer: Mapping[str, Any]) -> None:
    if answer["sql"]:
        console.print(f"\n[bold]SQL[/]: {escape(answer['sql'])}\n", soft_wrap=True)
    if answer["rows"]:
        table = Table(*(escape(str(column)) for column in answer["columns"]))
        for row in answer["rows"][:_SHOWN_ROWS]:
            table.add_row(*(escape(str(value)) for value in row))
        console.print(table)
    if len(answer["rows"]) > _SHOWN_ROWS:
        console.print(f"… {len(answer['rows']) - _SHOWN_ROWS} more rows")
    for note in _notes(answer):
        console.print(f"[yellow]{escape(note)}[/]")
    calls = [step for step in answer["timeline"] if step["kind"] == "call"]
    runtimes = ", ".join(sorted({step["runtime"] for step in calls if step["runtime"]}))
    met = "met" if answer["deadline_met"] else "missed"
    console.print(
        f"{len(calls)} calls on {runtimes} in {answer['seconds']:.2f} s; "
        f"deadline of {answer['slo_seconds']:g} s {met}."
    )


def _notes(answer: Mapping[str, Any]) -> list[str]:
    """Return what the user should know before believing the answer."""
    notes = [_STATUS[answer["status"]]] if _STATUS[answer["status"]] else []
    if answer["status"] == "empty" and (reason := answer.get("reason")):
        notes = [f"{notes[0].rstrip('.')}: {reason}."]
    if answer["sql_error"]:
        notes.append(f"The database said: {answer['sql_error']}")
    if strange := answer.get("unfamiliar"):
        words = ", ".join(strange)
        notes.append(f"The demo model never met these words, so it may have guessed: {words}.")
    for part in ("retrieval", "schema"):
        notes += [f"{part.capitalize()}: {note}" for note in answer.get(part, {}).get("notes", [])]
    return notes
