"""The README's workflow kind works as it stands there, through the registry and HTTP."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from launch.shipped import workflow_registry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.workflow_kind import Resources
from sched.errors import ConfigError
from tests.launch.api.api_stack import api_stack
from tests.launch.api.shop_schema import ShopSchema

README = Path(__file__).parents[2] / "plugins" / "README.md"


async def test_the_readmes_kind_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded by module:attribute; its name, plan and stages are those of the workflow that runs."""
    section = README.read_text("utf-8").partition("## Write a workflow kind")[2]
    block = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]
    (tmp_path / "second_try.py").write_text(block, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kind = workflow_registry().load("second_try:SecondTry")
    workflow = kind.open(Resources(ShopSchema(), Compact(), Text2SqlOptions(max_sql_tokens=16)))
    try:
        async with api_stack(kind=kind, workflow=workflow) as api:
            response = await api.client.post("/v1/text2sql", json={"question": "How many customers?"})
            answer = response.json()
            assert (answer["status"], answer["rows"]) == ("ok", [[2]])
            assert [step["stage"] for step in answer["timeline"]] == ["write", "execute"]
            listed = (await api.client.get("/v1/workflows")).json()["workflows"]
            assert [one["kind"] for one in listed] == ["second_try"]
            # Cut off, so that there is no statement to run: the second try follows, and is cut off, too.
            api.worker.reason = {"type": "length", "length": 3}
            answer = (await api.client.post("/v1/text2sql", json={"question": "How many?"})).json()
            assert answer["status"] == "no_sql_ran"
            assert [step["stage"] for step in answer["timeline"]] == ["write", "repair"]
    finally:
        sys.modules.pop("second_try", None)


def test_shipped_kinds_load_and_others_are_refused() -> None:
    """By name, with parameters, or not at all; the message says what there is."""
    registry = workflow_registry()
    assert [registry.load(name).name for name in registry.names()] == registry.names()
    assert registry.names() == ["text2sql", "majority"]
    with pytest.raises(
        ConfigError, match="--workflow: unknown kind 'chess'; choose one of text2sql, majority"
    ):
        registry.load("chess")
    with pytest.raises(ConfigError, match="is no workflow kind"):
        registry.load("plugins.text2sql.options:Text2SqlOptions")
