"""The model's chat template as frames for the workflow's prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.controller.prompt_frame import PromptFrame, PromptFrames
from launch.api.openai.template import ChatTemplate
from plugins.text2sql.reading.thinking_marks import without_thinking
from sched.errors import ConfigError, InvalidRequestError

_SYSTEM, _USER = "sluicesystemprobe", "sluiceuserprobe"
_NO_THINKING = {"enable_thinking": False, "thinking": False}
"""How templates of reasoning models are told so: Qwen's, GLM's and SmolLM's; Granite's and DeepSeek's."""


def frames_of(template: ChatTemplate, variables: Mapping[str, Any]) -> PromptFrames:
    """Return the frames of ``template`` with the user's ``variables``.

    Where a template begins the model's thinking, the frame for direct answers ends it.  Both frames are the
    same for a model that doesn't think.

    Raises:
        ConfigError: the template can't be used so; names the remedy.
    """
    thinking = _frame(template, variables)
    direct = _frame(template, {**variables, **_NO_THINKING})
    return PromptFrames(thinking, replace(direct, closing=without_thinking(direct.closing)))


def _frame(template: ChatTemplate, variables: Mapping[str, Any]) -> PromptFrame:
    alone = [{"role": "user", "content": _USER}]
    bare, closing = _parts(template, alone, variables, _USER)
    chat = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    try:
        opening, between, closing = _parts(template, chat, variables, _SYSTEM, _USER)
    except ConfigError:  # some templates know no system's message: then the user says it all
        return PromptFrame(bare, "\n\n", bare, closing)
    return PromptFrame(opening, between, bare, closing)


def _parts(
    template: ChatTemplate, messages: list[dict[str, Any]], variables: Mapping[str, Any], *probes: str
) -> list[str]:
    """Return the text before, between and behind ``probes``, each of which stands once in the prompt."""
    try:
        rest = "".join(segment.text for segment in template.segments(messages, variables))
    except InvalidRequestError as error:
        raise _unusable(str(error)) from error
    parts = []
    for probe in probes:
        before, found, rest = rest.partition(probe)
        if not found or probe in rest:
            raise _unusable(f"a message of the role {messages[0]['role']!r} doesn't stand in the prompt once")
        parts.append(before)
    return [*parts, rest]


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        f"the model's chat template can't be used for the workflow's prompts ({problem}): "
        "choose --prompt-format raw",
        field="prompt_format",
    )
