"""What a server tells its clients holds no password, no folder of its host and no environment."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.launch.server.simulated_server import ROOT, simulated_server
from tests.waiting import GUARD_SECONDS

PASSWORD, OTHER_PASSWORD, UNRELATED = "hunter2-of-shop", "hunter3-of-mart", "value-of-some-variable"
PAGES = (
    "/server_info",
    "/workers",
    "/v1/databases",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/model_info",
    "/v1/models",
    "/v1/loads",
    "/health_generate",
    "/readiness",
    "/v1/profiles",
    "/v1/tuning",
    "/v1/workflows",
)
UNAVAILABLE = ("truncated", "text", "duck", "shop", "mart")
MODEL_FIELDS = re.compile(r'"(?:model_path|tokenizer_path|root)":"[^"]*"')
"""SGLang's and OpenAI's fields for the model's folder; clients load the tokenizer from there."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="secret folder ") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, str]:
    """What clients are told, by page or database, and under ``log`` what the server's output says."""
    with sqlite3.connect(folder / "good.sqlite") as good:
        good.execute("CREATE TABLE things (name TEXT)")
    good.close()
    (folder / "truncated.sqlite").write_bytes((folder / "good.sqlite").read_bytes()[:3000])
    for name in ("text.sqlite", "broken.duckdb"):
        (folder / name).write_text("no database" * 1000)
    databases = {
        "good": folder / "good.sqlite",
        "truncated": folder / "truncated.sqlite",
        "text": folder / "text.sqlite",
        "duck": f"duckdb:///{folder}/broken.duckdb",
        "shop": "postgresql://reader:${SHOP_PASSWORD}@127.0.0.1:1/shop",
        "mart": f"mysql://reader:{OTHER_PASSWORD}@127.0.0.1:1/mart",
    }
    options = [part for name, at in databases.items() for part in ("--database", f"{name}={at}")]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_PASSWORD", PASSWORD)
        environment.setenv("UNRELATED_VARIABLE", UNRELATED)
        journal = str(folder / "journal.jsonl")
        with simulated_server("--log-level", "info", "--journal", journal, *options) as server:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=GUARD_SECONDS) as client:
                found = {page: client.get(page).text for page in PAGES}
                for name in databases:
                    question = {"question": "How many?", "database": name}
                    found[name] = client.post("/v1/text2sql", json=question).text
            server.process.terminate()
            found["log"] = "".join(server.process.communicate(timeout=GUARD_SECONDS))
    return found


def test_no_password_is_told_nor_logged(told: dict[str, str]) -> None:
    """Neither one from the environment nor one written in the address; nor the environment itself."""
    for place, text in told.items():
        for secret in (PASSWORD, OTHER_PASSWORD, UNRELATED):
            assert secret not in text, place


def test_no_client_learns_a_folder_of_the_host(told: dict[str, str], folder: Path) -> None:
    """Of files not more than their names; the log has the whole path."""
    folders = (str(folder), str(ROOT), str(Path.home()), tempfile.gettempdir())
    for place, text in told.items():
        shown = MODEL_FIELDS.sub("", text.replace('": "', '":"'))
        if place != "log":
            assert not [each for each in folders if each in shown], place
    assert f"{folder}/text.sqlite can't be read as SQLite" in told["log"]


def test_why_a_database_can_not_be_asked_is_told(told: dict[str, str]) -> None:
    """By the file's name, in the list and in the answer to a question."""
    reasons = {each["name"]: each["reason"] for each in json.loads(told["/v1/databases"])["details"]}
    assert [name for name, reason in reasons.items() if reason] == list(UNAVAILABLE)
    assert reasons["text"] == "text.sqlite can't be read as SQLite: file is not a database"
    assert reasons["duck"].startswith("broken.duckdb can't be opened")
    for name in UNAVAILABLE:
        error = json.loads(told[name])["error"]
        assert (error["code"], error["message"]) == ("unavailable", f"database {name!r}: {reasons[name]}")
