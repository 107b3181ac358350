"""What SGLang would compile at its first use runs on a CPU as it is written."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from engine.sglang.first_use import _AS_WRITTEN, _COMPILED, WARM_UPS, run_as_written
from launch.api.native.native_bodies import SamplingParams


def written() -> str:
    return "as written"


def test_compiled_functions_become_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time, and where nothing was compiled, it changes nothing."""

    def compiled() -> str:
        return "compiled"

    setattr(compiled, _AS_WRITTEN, written)
    for number, (name, function) in enumerate(_COMPILED):
        module = ModuleType(name)
        setattr(module, function, written if number else compiled)
        monkeypatch.setitem(sys.modules, name, module)
    for _ in range(2):
        run_as_written()
        for name, function in _COMPILED:
            assert getattr(sys.modules[name], function)() == "as written"


def test_torch_still_keeps_what_was_written() -> None:
    """Under the attribute that is used here."""
    torch = pytest.importorskip("torch")
    assert getattr(torch.compile(written), _AS_WRITTEN) is written


def test_the_warm_up_uses_all_that_a_client_may_ask_for() -> None:
    """What is left out computes nothing, or is another form of what is there."""
    used = {name for sampling in WARM_UPS for name in sampling} | {"max_new_tokens"}
    forms = {"json_schema", "ebnf", "structural_tag", "stop_token_ids"}
    nothing = {"ignore_eos", "skip_special_tokens", "spaces_between_special_tokens", "no_stop_trim", "n"}
    assert set(SamplingParams.model_fields) == used | forms | nothing
    for sampling in WARM_UPS:
        SamplingParams.model_validate(sampling)
