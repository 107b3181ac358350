"""``python -m launch.demo``: start a server, ask the demo database four questions, show how it answers.

The workflow runs in full, as published: nothing ends early because results agree.  Everything is real: two
SGLang runtimes, the scheduler, the workflow and SQLite.  The model is tiny and was trained for this database.
"""

from __future__ import annotations

import argparse
import sys

import httpx
from rich.console import Console

from launch.ask.examples import DEMO_QUESTIONS, NO_ROWS_QUESTION
from launch.ask.local import local_server
from launch.ask.show import show_answer
from launch.client.api_error import ApiError
from launch.client.sluice_client import SluiceClient


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of the demo's server (default: a free one)")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        with local_server(["--no-early-ending"], port=arguments.port) as url:
            questions = (*DEMO_QUESTIONS, NO_ROWS_QUESTION)
            with SluiceClient(url) as client:
                answers = [show_answer(console, client, asked, "shop", steps=True) for asked in questions]
    except (RuntimeError, ApiError, httpx.HTTPError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    if not all(answers):
        return 1
    console.print('\nAsk your own: [bold]python -m launch.ask "How many customers live in Berlin?"[/]')
    return 0
