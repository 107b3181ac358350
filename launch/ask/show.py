"""An answer on a terminal: its steps while they happen, then SQL, rows and time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.client.api_error import ApiError
from launch.client.client_answers import QuestionAnswered, StepChanged
from launch.client.exchange import CUT_OFF
from launch.client.sluice_client import SluiceClient

_SHOWN_ROWS = 10
_STATUS = {
    "ok": "",
    "empty": "The SQL ran and found no rows.",
    "no_sql_ran": "No SQL could be run, so there is no answer.",
    "not_run": "The SQL was checked and not run.",
    "not_understood": "The question was not understood",
}

_UNREADABLE = "unreadable: the workflow could make nothing of the answer"


def show_answer(
    console: Console,
    client: SluiceClient,
    question: str,
    database: str | None,
    steps: bool,
    **options: Any,
) -> Mapping[str, Any] | None:
    """Ask ``client``'s server and show the answer, with ``steps`` also how it comes about.

    ``options`` are further fields of the question.  Return the answer, or ``None`` if the workflow failed,
    which is shown too.

    Raises:
        ApiError: the server refuses, or the stream ended early.
        httpx.HTTPError: the server can't be reached, or is silent.
    """
    console.print(f"\n[bold]Question[/]: {escape(question)}\n", soft_wrap=True)
    finished: set[int] = set()
    try:
        with closing(client.stream(question, database, **options)) as events:
            for event in events:
                if isinstance(event, StepChanged) and steps:
                    step = event.step.model_dump()
                    line = step_line(step, again=event.step.index in finished)
                    if line:
                        console.print(line, soft_wrap=True)
                    if event.step.state == "finished":
                        finished.add(event.step.index)
                elif isinstance(event, QuestionAnswered):
                    answer = event.answer.model_dump()
                    _show_result(console, answer)
                    return answer
    except ApiError as error:
        if error.status is not None or error.code == CUT_OFF:
            raise
        console.print(f"[red]failed:[/] {escape(error.message)}")
        return None
    raise AssertionError("a stream ends with an answer or an error")


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
    if (name := answer["conversation_id"]) and "conversation_note" not in answer:
        console.print(f"[dim]Go on from here with --conversation {name}[/]", soft_wrap=True)


def _notes(answer: Mapping[str, Any]) -> list[str]:
    """Return what the user should know before believing the answer."""
    said = _STATUS.get(answer["status"], "")
    if said and (reason := answer.get("reason")):
        said = f"{said.rstrip('.')}: {reason}."
    notes = [said] if said else []
    if answer["sql_error"]:
        notes.append(f"The database said: {answer['sql_error']}")
    if strange := answer.get("unfamiliar"):
        words = ", ".join(strange)
        notes.append(f"The demo model never met these words, so it may have guessed: {words}.")
    if answer.get("conversation_note"):
        notes.append(f"Conversation: {answer['conversation_note']}.")
    for part in ("retrieval", "schema"):
        notes += [f"{part.capitalize()}: {note}" for note in answer.get(part, {}).get("notes", [])]
    return notes
