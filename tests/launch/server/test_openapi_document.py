"""What the server answers is what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.server.simulated_server import simulated_server
from tests.waiting import GUARD_SECONDS

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 10
# A batch of thousands of calls is among the requests.
FAST = ("--decode-tokens-per-second", "100000", "--max-running-requests", "256", "--output-tokens", "2")


@pytest.mark.slow
def test_answers_are_as_documented(tmp_path: Path) -> None:
    """Statuses, content types, bodies and methods; what breaks the document's rules is refused.

    The requests are the same each time: every bound of every field, then ``EXAMPLES`` random ones for each
    operation, and chains of requests that use what others answered.
    """
    with simulated_server("--", *FAST) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
                *("run", f"{server.url}/openapi.json"),
                *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-shrink"),
            ],
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=2 * GUARD_SECONDS,
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
