"""The short answers of the structured stages: the pattern that bounds each, and how it is read.

Reading takes any text all the same, since any output may be cut off: what can be understood of it counts.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import ClassVar, Generic, TypeVar

from plugins.text2sql.reading.thinking import split_thinking
from sched.workflow import Generation

T = TypeVar("T")

MAX_KEYWORDS = 8
MAX_TABLES = 12
_MAX_ITEMS = 1_000
_MAX_KEYWORD_CHARACTERS, _MAX_TEST_CHARACTERS = 40, 160
PASSED, FAILED = "passed", "failed"
_ARRAY = re.compile(r"\[(?=\s*[\"'\]\[])")
# A quote that opens no string is passed over with what follows it, so that no character is read twice.
_ITEM = re.compile(
    r"(?P<string>\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'(?=\s*[,\]]))"
    r"|\"(?:[^\"\\]|\\.)*+\\?\Z|'(?:[^'\\]|\\.)*+(?='|\\?\Z)|(?P<end>\])",
    re.DOTALL,
)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]*(\S.*)", re.MULTILINE)
_VERDICT = re.compile(r"\bcandidate\W{0,3}(\d{1,9})\W+(?:has\s+)?(passed|failed)\b", re.IGNORECASE)


class Form(ABC, Generic[T]):
    """What an answer looks like.

    ``by_line``: of an answer that was cut off, the last line doesn't count (elsewhere it can't be taken for a
    whole one).
    """

    by_line: ClassVar[bool] = False

    @abstractmethod
    def pattern(self) -> str:
        """Return a regular expression, in the syntax of SGLang's ``regex``, of the answers."""

    @abstractmethod
    def read(self, text: str) -> T:
        """Return what ``text`` says, as far as it can be understood."""

    def is_said(self, answer: T) -> bool:
        """Return whether ``answer``, as it was read, says anything."""
        return bool(answer)

    def of(self, generation: Generation, reasoning_parser: str | None = None) -> T:
        """Return what ``generation`` says behind the model's thinking, as ``reasoning_parser`` tells it."""
        _, text = split_thinking(generation.text, reasoning_parser)
        return self.read(text.rpartition("\n")[0] if self.by_line and generation.truncated else text)


@dataclass(frozen=True)
class Decision(Form[str | None]):
    """A decision for one of ``tools``; read as ``None`` if it names none of them."""

    tools: tuple[str, ...]

    def pattern(self) -> str:
        """Return the names of the tools."""
        return _either(self.tools)

    def read(self, text: str) -> str | None:
        """Return the tool that ``text`` names first."""
        named = [
            (match.start(), tool)
            for tool in self.tools
            if (match := re.search(rf"\b{tool}\b", text, re.IGNORECASE))
        ]
        return min(named)[1] if named else None


@dataclass(frozen=True)
class Keywords(Form[list[str]]):
    """A JSON array of keywords of ``question``."""

    question: str

    def pattern(self) -> str:
        """Return an array of up to ``MAX_KEYWORDS`` short strings."""
        rest = _MAX_KEYWORD_CHARACTERS - 1
        return _array(rf'"[^\x00-\x20"\\][^\x00-\x1f"\\]{{0,{rest}}}"', MAX_KEYWORDS)

    def read(self, text: str) -> list[str]:
        """Return the first ``MAX_KEYWORDS`` keywords, each once."""
        return [keyword for keyword in _strings(text) if keyword.strip()][:MAX_KEYWORDS]


@dataclass(frozen=True)
class TableNames(Form[list[str]]):
    """A JSON array of names of ``tables``; others are ignored when it is read."""

    tables: tuple[str, ...]

    def pattern(self) -> str:
        """Return an array of one to ``MAX_TABLES`` of the names."""
        names = [json.dumps(table, ensure_ascii=False) for table in self.tables]
        return _array(_either(names), min(len(names), MAX_TABLES))

    def read(self, text: str) -> list[str]:
        """Return the tables that ``text`` names, each once; in other letter case, or in quotes, too."""
        folded = {name.casefold(): name for name in self.tables}
        known = folded | {name: name for name in self.tables}
        names = (known.get(name) or known.get(name.strip('`"').casefold()) for name in _strings(text))
        return list(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class SomeTables(Form[list[str] | None]):
    """A JSON array of those names of ``tables`` that a question needs, which may be none.

    Read as ``None`` if it is no array.
    """

    tables: tuple[str, ...]

    def pattern(self) -> str:
        """Return an array of up to ``MAX_TABLES`` of the names."""
        return rf"(\[\]|{TableNames(self.tables).pattern()})"

    def read(self, text: str) -> list[str] | None:
        """Return the tables that ``text`` names, each once."""
        return TableNames(self.tables).read(text) if "[" in text else None

    def is_said(self, answer: list[str] | None) -> bool:
        """Return whether there is an array: an empty one says that no table is needed."""
        return answer is not None


@dataclass(frozen=True)
class UnitTests(Form[list[str]]):
    """A list of at most ``at_most`` unit tests, one a line."""

    at_most: int
    by_line: ClassVar[bool] = True

    def pattern(self) -> str:
        """Return the lines of a list."""
        line = rf"- [^\x00-\x20][^\x00-\x1f]{{0,{_MAX_TEST_CHARACTERS - 1}}}"
        return rf"{line}(\n{line}){{0,{self.at_most - 1}}}"

    def read(self, text: str) -> list[str]:
        """Return the unit tests, each once."""
        return list(dict.fromkeys(map(str.rstrip, _BULLET.findall(text))))[: self.at_most]


@dataclass(frozen=True)
class Verdicts(Form[frozenset[int]]):
    """A verdict on each of ``candidates``; read as the indexes (from 0) of those that passed."""

    candidates: int

    def is_said(self, answer: frozenset[int]) -> bool:
        """Return ``True``: that none has passed is a verdict, too."""
        return True

    def pattern(self) -> str:
        """Return a line for each candidate."""
        numbers = range(1, self.candidates + 1)
        return r"\n".join(f"Candidate {number}: {_either((PASSED, FAILED))}" for number in numbers)

    def read(self, text: str) -> frozenset[int]:
        """Return the candidates that passed; of two verdicts on one, the last counts."""
        last = {int(number): word.lower() for number, word in _VERDICT.findall(text)}
        return frozenset(n - 1 for n, word in last.items() if word == PASSED and 0 < n <= self.candidates)


def _either(texts: Sequence[str]) -> str:
    return f"({'|'.join(map(re.escape, texts))})"


def _array(item: str, at_most: int) -> str:
    """Return a JSON array of one to ``at_most`` times ``item``."""
    return rf"\[{item}(, {item}){{0,{at_most - 1}}}\]"


def _strings(text: str) -> list[str]:
    """Return the complete strings of the first array in ``text``, each once; also Python's, in one quote.

    At most ``_MAX_ITEMS`` are read.
    """
    array = _ARRAY.search(text)
    items = takewhile(lambda item: not item["end"], _ITEM.finditer(text, array.end())) if array else ()
    found = (_string(item["string"]) for item in islice(items, _MAX_ITEMS) if item["string"])
    return list(dict.fromkeys(string for string in found if string is not None))


def _string(quoted: str) -> str | None:
    if quoted.startswith("'"):
        quoted = json.dumps(quoted[1:-1].replace("\\'", "'"), ensure_ascii=False)
    try:
        string = str(json.loads(quoted, strict=False))
        string.encode()
    except ValueError:  # an escape that JSON doesn't know, or half a character
        return None
    return string
