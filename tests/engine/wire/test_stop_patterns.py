"""Stop patterns: what RE2 can match, and nothing that takes exponential time."""

from __future__ import annotations

import re

import pytest

from engine.wire.stop_patterns import LinearRe, linear


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("a+", "baab", "aa"),
        (r"\d{4}-\d\d", "on 2024-05-06", "2024-05"),
        ("(?i)stop|end", "The END", "END"),
        ("größ.", "die größe", "größe"),
        (r";\s*$", "SELECT 1 ;", ";"),
        ("x", "abc", None),
    ],
)
def test_patterns_match_as_in_python(pattern: str, text: str, matched: str | None) -> None:
    """Of the syntax that both have."""
    expected, found = re.search(pattern, text), LinearRe.search(pattern, text)
    assert (expected and expected.group()) == matched
    assert (found and found.group()) == matched


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)+b", "(a|aa)*$", "(.*)*x", "a*a*a*a*a*a*a*a*b"])
def test_no_pattern_takes_exponential_time(pattern: str) -> None:
    """Python's ``re`` would be at it for longer than anybody waits."""
    LinearRe.search(pattern, "a" * 50_000 + "!")


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "((a{1000}){1000}){1000}", "(", r"\Z"])
def test_other_patterns_are_refused_in_words(pattern: str) -> None:
    """SGLang's scheduler ends the call for ``re.error``."""
    with pytest.raises(ValueError, match=r"[a-z]+ "):
        linear(pattern)
    with pytest.raises(LinearRe.error):
        LinearRe.search(pattern, "a")
