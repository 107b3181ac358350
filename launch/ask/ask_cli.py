"""``python -m launch.ask "…"``: ask a database a question, on a running server or on one started for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import httpx
from rich.console import Console

from launch.ask.examples import EXAMPLES
from launch.ask.local import local_server
from launch.ask.show import show_answer
from launch.checks import checked
from launch.client.api_error import ApiError
from launch.client.client_answers import DatabaseList
from launch.client.sluice_client import SluiceClient
from launch.demo_assets import DEMO_DATABASE
from sched.errors import ConfigError

_UNASKED = 2
_NO_ANSWER = ("no_sql_ran", "not_understood")
_LOCAL = "http://127.0.0.1:30000"


def main(argv: Sequence[str] | None = None) -> int:
    """Ask and return the exit code: 0 with right SQL, 1 without, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.ask", description=__doc__)
    parser.add_argument("question", nargs="?", help="in plain English; left out, examples are listed")
    parser.add_argument("--evidence", metavar="TEXT", default="", help="a hint: what words of it mean")
    parser.add_argument("--conversation", metavar="ID", help="go on with this conversation")
    parser.add_argument("--no-execute", action="store_true", help="have SQL written and checked, not run")
    parser.add_argument("--max-rows", type=int, metavar="N", help="rows of the answer at most")
    parser.add_argument("--server", metavar="URL", help=f"a running one (default: {_LOCAL} if there is one)")
    parser.add_argument("--database", help="one that the server knows (default: its only one, or shop)")
    parser.add_argument("--stream", action="store_true", help="show every stage while it happens")
    parser.add_argument(
        "--examples", action="store_true", help="list questions that the demo model can answer"
    )
    arguments = parser.parse_args(argv)
    console = Console(highlight=False)
    if arguments.examples or not arguments.question:
        console.print(
            "Questions about the demo database that the demo model can answer:", *EXAMPLES, sep="\n  "
        )
        return 0 if arguments.examples else _UNASKED
    return checked(lambda: _ask(console, arguments))


def _ask(console: Console, arguments: argparse.Namespace) -> int:
    try:
        return _asked(console, arguments)
    except (RuntimeError, ApiError, httpx.HTTPError) as error:
        print(f"sluice: there is no answer: {error}", file=sys.stderr)
        return 1


def _asked(console: Console, arguments: argparse.Namespace) -> int:
    url = arguments.server or (_LOCAL if _serves(_LOCAL) else None)
    if url is not None:
        return _answered(console, url, arguments)
    console.print("No server runs here; one is started for this question (keep one with: make serve).")
    with local_server(progress=console) as own:
        return _answered(console, own, arguments)


def _answered(console: Console, url: str, arguments: argparse.Namespace) -> int:
    with SluiceClient(url) as client:
        database = arguments.database or _only_database(client.databases())
        if _knows_only_the_demo(url):
            if database != DEMO_DATABASE:
                console.print(
                    f"[yellow]The demo model knows the database {DEMO_DATABASE} alone; about {database} it "
                    "only guesses. Serve a real model with --model-path.[/]"
                )
            if arguments.evidence:
                console.print("[yellow]The demo model reads no hints: --evidence changes nothing.[/]")
        # What is not asked for is not sent: a kind of workflow of one's own may not have it.
        options = {
            "evidence": arguments.evidence or None,
            "conversation_id": arguments.conversation,
            "execute": False if arguments.no_execute else None,
            "max_rows": arguments.max_rows,
        }
        answer = show_answer(console, client, arguments.question, database, arguments.stream, **options)
    return 0 if answer is not None and answer["status"] not in _NO_ANSWER else 1


def _serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readiness", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _only_database(found: DatabaseList) -> str:
    """Return the server's only database, or the demo's if it is among several.

    Raises:
        ConfigError: one must be named.
    """
    # A database that can't be asked is taken too, if there is no other: the answer to a question says why.
    names = found.databases or [each.name for each in found.details]
    if len(names) == 1:
        return names[0]
    if DEMO_DATABASE in names:
        return DEMO_DATABASE
    raise ConfigError(f"name a --database; the server knows {', '.join(names) or 'none'}", field="database")


def _knows_only_the_demo(url: str) -> bool:
    answer = httpx.get(f"{url}/get_model_info", timeout=10.0, trust_env=False)
    return answer.is_success and answer.json().get("embedded_model") is True
