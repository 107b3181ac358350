"""Frames from chat templates as models have them: for thinking and for direct answers."""

from __future__ import annotations

import pytest

from launch.api.openai.template import ChatTemplate
from launch.controller.chat_frames import frames_of
from plugins.text2sql.reading.thinking import split_thinking
from plugins.text2sql.reading.thinking_marks import ALL_MARKS, Marks, without_thinking
from sched.errors import ConfigError
from sched.workflow import Segment, SegmentKind

SYSTEM, USER = Segment(SegmentKind.TEMPLATE, "S"), Segment(SegmentKind.QUESTION, "U")

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN3 = CHATML[: -len("{% endif %}")] + (
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
R1 = CHATML[: -len("{% endif %}")] + "<think>\n{% endif %}"
GPT_OSS = (
    "{% for m in messages %}<|start|>{{ m['role'] }}<|message|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
HEAD = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
OSS_HEAD = "<|start|>system<|message|>S<|end|><|start|>user<|message|>U<|end|><|start|>assistant"
GEMMA_HEAD = "<bos><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\n"
NO_THINKING = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("source", "thinking", "direct"),
    [
        (CHATML, HEAD, HEAD),
        (QWEN3, HEAD, HEAD + NO_THINKING),
        (R1, HEAD + "<think>\n", HEAD + NO_THINKING),
        (GPT_OSS, OSS_HEAD, OSS_HEAD + "<|channel|>final<|message|>"),
        (GEMMA, GEMMA_HEAD, GEMMA_HEAD),
    ],
    ids=["chatml", "qwen3", "r1", "gpt-oss", "gemma"],
)
def test_prompts_are_what_the_template_writes(source: str, thinking: str, direct: str) -> None:
    """Framed segments are the rendered conversation; a direct answer begins behind any thinking."""
    frames = frames_of(ChatTemplate(source, {"bos_token": "<bos>"}), {})
    assert "".join(segment.text for segment in frames.thinking.around([SYSTEM, USER])) == thinking
    assert "".join(segment.text for segment in frames.direct.around([SYSTEM, USER])) == direct
    assert frames.model_thinks == (thinking != direct)


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ("<think:opensource>\n", "<think:opensource>\n\n</think:opensource>\n\n"),
        ("<thinking>", "<thinking>\n\n</thinking>\n\n"),
        ("<reasoning>", "<reasoning>\n\n</reasoning>\n\n"),
        ("<thought>", "<thought>\n\n</thought>\n\n"),
        ("<reflection>", "<reflection>\n\n</reflection>\n\n"),
        ("<scratchpad>", "<scratchpad>\n\n</scratchpad>\n\n"),
        ("<analysis>", "<analysis>\n\n</analysis>\n\n"),
        ("<mm:think>", "<mm:think>\n\n</mm:think>\n\n"),
        ("<ifm|think>", "<ifm|think>\n\n</ifm|think>\n\n"),
        ("<ifm|think_fast>", "<ifm|think_fast>\n\n</ifm|think_fast>\n\n"),
        ("<ifm|think_faster>", "<ifm|think_faster>\n\n</ifm|think_faster>\n\n"),
        ("◁think▷", "◁think▷◁/think▷"),
        ("<|open|>think<|sep|>", "<|open|>think<|sep|><|close|>think<|sep|><|open|>response<|sep|>"),
        ("[THINK]", "[THINK][/THINK]"),
        ("<|inner_prefix|>", "<|inner_prefix|><|inner_suffix|>"),
        ("<|START_THINKING|>", "<|START_THINKING|><|END_THINKING|>"),
        ("<|channel>thought\n", "<|channel>thought\n<channel|>"),
        ("<|content_thinking|>", "<|content_thinking|><|end_message|><|message_model|><|content_text|>"),
        ("<|eot|><|start|>assistant", "<|eot|><|start|>assistant to=user<|message|>"),
        ("Use <think> and </think>.\n", "Use <think> and </think>.\n"),
    ],
)
def test_thinking_that_a_template_begins_is_ended_in_its_own_marks(begun: str, ended: str) -> None:
    """So is every way that answers are read by; a mark that is only mentioned begins none."""
    source = CHATML.replace("<|im_start|>assistant\n{% endif %}", begun + "{% endif %}")
    frames = frames_of(ChatTemplate(source), {})
    assert frames.thinking.closing.endswith(begun)
    head = frames.thinking.closing.removesuffix(begun)
    assert frames.direct.closing == head + ended


@pytest.mark.parametrize("marks", ALL_MARKS)
def test_what_ends_thinking_in_a_prompt_ends_it_for_the_reader(marks: Marks) -> None:
    """One table serves both."""
    ended = without_thinking(f"a{marks.opening}")
    thinking, answer = split_thinking(ended.removesuffix(marks.answering) + "b")
    assert (thinking, answer.split()) == ("", ["a", "b"])


def test_variables_are_the_users_but_for_direct_answers() -> None:
    """``enable_thinking: false`` makes a reasoning model answer at once everywhere; true, not everywhere."""
    off = frames_of(ChatTemplate(QWEN3), {"enable_thinking": False})
    assert off.thinking == off.direct
    on = frames_of(ChatTemplate(QWEN3), {"enable_thinking": True})
    assert on.direct.closing.endswith("</think>\n\n")


@pytest.mark.parametrize(
    "source",
    ["{{ raise_exception('never') }}", "{{ messages | length }}", CHATML.replace("m['content']", "''")],
)
def test_a_template_that_shows_no_message_is_refused(source: str) -> None:
    """The error names the option that does without it."""
    with pytest.raises(ConfigError, match="--prompt-format raw") as caught:
        frames_of(ChatTemplate(source), {})
    assert caught.value.field == "prompt_format"
