"""Thinking is told from the answer, in every way in which models mark it."""

from __future__ import annotations

import pytest

from plugins.text2sql.reading.thinking import REASONING_PARSERS, split_thinking


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("just an answer", "", "just an answer"),
        ("<think>a</think> b", "a", "b"),
        ("<Thinking>\na\n</Thinking>\n\nb\n", "a", "b"),
        ("<reasoning>a</reasoning>b", "a", "b"),
        ("[THINK]a[/THINK]b", "a", "b"),
        ("◁think▷a◁/think▷b", "a", "b"),
        ("<|channel>thought\na<channel|>b", "thought\na", "b"),
        ("a</think>b", "a", "b"),
        ("a</think>b</think>c", "a\nb", "c"),
        ("<think>a", "a", ""),
        ("b<think>a", "a", "b"),
        ("b<think>a</think>c", "a", "b\nc"),
        ("<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d"),
        ("<think>the <think> tag</think>b", "the <think> tag", "b"),
        ("<think>a<think>b</think>c<think>d", "a<think>b\nd", "c"),
        ("<think>a</reasoning>b</think>c", "a</reasoning>b", "c"),
        ("a/think>b, a <think FROM", "", "a/think>b, a <think FROM"),
        ("answer<|end|>", "", "answer<|end|>"),
        ("answer<|end_message|>", "", "answer<|end_message|>"),
    ],
)
def test_tags(text: str, thinking: str, answer: str) -> None:
    """Tags may be nested, never closed or never opened."""
    assert split_thinking(text) == (thinking, answer)


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            "a",
            "b",
        ),
        ("a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),
        ("<|channel|>final<|message|>b", "", "b"),
        ("<|channel|>analysis<|message|>a", "a", ""),
        (
            "<|channel|>analysis<|message|>a<|end|>"
            "<|start|>assistant<|channel|>commentary to=f<|message|>c<|call|>",
            "a\nc",
            "",
        ),
        ("<|start|>assistant<|message|>b<|end|>", "", "b"),
        (" to=self<|message|>a<|eom|><|start|>assistant to=user<|message|>b<|eot|>", "a", "b"),
        ("analysisWe think.assistantfinalb", "analysisWe think.", "b"),
        ("analysis of sales", "", "analysis of sales"),
    ],
)
def test_channels(text: str, thinking: str, answer: str) -> None:
    """The final channel alone is the answer, also where its marks were not written out."""
    assert split_thinking(text) == (thinking, answer)


@pytest.mark.parametrize("parser", sorted(REASONING_PARSERS - {"gpt-oss", "muse"}))
def test_a_named_parser_knows_its_own_tags_alone(parser: str) -> None:
    """Another model's tags are text."""
    foreign = "<think>" if parser in ("mistral", "kimi", "gemma4", "cohere_command4") else "[THINK]"
    assert split_thinking(f"{foreign}a", parser) == ("", f"{foreign}a")
    channel = "<|channel|>analysis<|message|>a"
    assert split_thinking(channel, parser) == ("", channel)


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        ("deepseek-r1", "<think>a</think>b"),
        ("qwen3", "a</think>b"),
        ("gpt-oss", "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b"),
        ("muse", " to=self<|message|>a<|eom|><|start|>assistant to=user<|message|>b"),
        ("apertus2509", "<|inner_prefix|>a<|inner_suffix|>b"),
        ("cohere_command4", "a<|END_THINKING|>b"),
        ("gemma4", "<|channel>a<channel|>b"),
        ("hunyuan", "<think:opensource>a</think:opensource>b"),
        ("inkling", "<|content_thinking|>a<|end_message|>b"),
        ("k2_horizon", "<ifm|think_fast>a</ifm|think_fast>b"),
        ("kimi", "◁think▷a◁/think▷b"),
        ("kimi_k3", "<|open|>think<|sep|>a<|close|>think<|sep|>b"),
        ("minimax-m3", "<mm:think>a</mm:think>b"),
        ("mistral", "[THINK]a[/THINK]b"),
    ],
)
def test_every_way_is_known_by_name_and_without(parser: str, text: str) -> None:
    """SGLang's names are accepted, and none is needed."""
    assert split_thinking(text, parser) == ("a", "b")
    assert split_thinking(text) == ("a", "b")


def test_a_named_parser_with_channels_leaves_tags_alone() -> None:
    """Tags are text for a model that thinks in channels."""
    assert split_thinking("<think>a", "gpt-oss") == ("", "<think>a")


def test_unknown_names_are_refused() -> None:
    """A misspelt name would silently leave the thinking in the answer."""
    with pytest.raises(ValueError, match="unknown reasoning parser: 'qwen-3'"):
        split_thinking("a", "qwen-3")
