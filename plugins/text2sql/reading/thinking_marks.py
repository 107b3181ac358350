"""The marks around a model's thinking, one row for each way of writing them.

``thinking.py`` reads answers by this table, and the frames of chat templates
(``launch/controller/chat_frames.py``) end with it the thinking that a template begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands before thinking and behind it.

    ``suffix``: a regular expression, without groups, of what may precede the last character of both.
    ``space`` stands around the closing mark of thinking that is empty, ``answering`` before the answer
    behind it.  ``shared_end``: the closing mark also ends other parts of a text.  Without an opening one it
    says nothing.
    """

    opening: str
    closing: str
    suffix: str = ""
    space: str = ""
    answering: str = ""
    shared_end: bool = False

    def opening_pattern(self) -> str:
        """Return a regular expression of the opening mark, without groups."""
        return self._pattern(self.opening)

    def closing_pattern(self) -> str:
        """Return a regular expression of the closing mark, without groups."""
        return self._pattern(self.closing)

    def _pattern(self, mark: str) -> str:
        suffix = f"(?:{self.suffix})?" if self.suffix else ""
        return re.escape(mark[:-1]) + suffix + re.escape(mark[-1])

    def ended(self, prompt: str) -> str | None:
        """Return ``prompt`` with the thinking ended that it begins at its end; ``None`` if it begins none."""
        suffix = f"(?P<suffix>{self.suffix})?" if self.suffix else "(?P<suffix>)"
        # A word may follow: Gemma names the channel.
        opened = re.search(
            rf"{re.escape(self.opening[:-1])}{suffix}{re.escape(self.opening[-1])}\s*\w*\s*\Z", prompt
        )
        if opened is None:
            return None
        closing = self.closing[:-1] + (opened["suffix"] or "") + self.closing[-1]
        begun = prompt.rstrip() if self.space else prompt
        return f"{begun}{self.space}{closing}{self.space}{self.answering}"


def _xml(name: str, suffix: str = "") -> Marks:
    return Marks(f"<{name}>", f"</{name}>", suffix, space="\n\n")


THINK = _xml("think")
"""How most models mark it."""
MARKS: Mapping[str, Marks] = {
    "apertus2509": Marks("<|inner_prefix|>", "<|inner_suffix|>"),
    "cohere_command4": Marks("<|START_THINKING|>", "<|END_THINKING|>"),
    "gemma4": Marks("<|channel>", "<channel|>"),
    "hunyuan": _xml("think", r":\w{1,40}"),
    "inkling": Marks(
        "<|content_thinking|>",
        "<|end_message|>",
        answering="<|message_model|><|content_text|>",
        shared_end=True,
    ),
    "k2_horizon": _xml("ifm|think", "_faster|_fast"),
    "kimi": Marks("◁think▷", "◁/think▷"),
    "kimi_k3": Marks("<|open|>think<|sep|>", "<|close|>think<|sep|>", answering="<|open|>response<|sep|>"),
    "minimax-m3": _xml("mm:think"),
    "mistral": Marks("[THINK]", "[/THINK]"),
}
"""Those that differ from ``THINK``, by SGLang's names of its reasoning parsers."""
ALL_MARKS = (
    *MARKS.values(),
    *map(_xml, ("thinking", "reasoning", "thought", "reflection", "scratchpad", "analysis")),
)
"""All, with those that no parser of SGLang's has; Hunyuan's include ``THINK``."""

_CHANNELS = {
    "gpt-oss": ("<|start|>assistant", "<|channel|>final<|message|>"),
    "muse": ("<|start|>assistant", " to=user<|message|>"),
}
"""How prompts end after which a model chooses its channel, and how it begins that of the answer."""
CHANNELED = frozenset(_CHANNELS)
"""SGLang's names of those that think in channels."""
_MUSE_ENDS = ("<|eot|>", "<|eom|>")


def without_thinking(prompt: str) -> str:
    """Return ``prompt``, the text behind a question, so ended that the model answers without thinking.

    What begins no thinking stays as it is.
    """
    for marks in ALL_MARKS:
        if (ended := marks.ended(prompt)) is not None:
            return ended
    opening, answering = _CHANNELS["muse" if any(end in prompt for end in _MUSE_ENDS) else "gpt-oss"]
    return prompt + answering if prompt.endswith(opening) else prompt
