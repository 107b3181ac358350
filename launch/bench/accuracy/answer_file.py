"""The answers and scores so far, in a JSON Lines file from which a measurement goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from launch.bench.accuracy.given_answer import GivenAnswer
from launch.bench.accuracy.scoring.judge import Score
from sched.errors import ConfigError


class AnswerFile:
    """Answers by cell and question; scores by question and SQL, since equal SQL is judged once.

    Without a path they are kept in memory alone.
    """

    def __init__(self, path: Path | None, design: Mapping[str, Any]) -> None:
        """Read what ``path`` holds; ``design`` is what all of its answers have in common.

        Raises:
            ConfigError: it can't be read or written, or is of another design.
        """
        self._path = path
        self._answers: dict[tuple[str, str], GivenAnswer] = {}
        self._scores: dict[tuple[str, str], Score] = {}
        if path is None:
            return
        try:
            lines = _whole_lines(path) if path.exists() else []
            if lines:
                self._read(path, lines, design)
            else:
                self._write({"design": design})
        except OSError as error:
            message = f"--results {path} can't be used: {error.strerror}"
            raise ConfigError(message, field="results") from error

    def answers(self, cell: str) -> dict[str, GivenAnswer]:
        """Return the answers in a cell by their questions."""
        return {question: answer for (of, question), answer in self._answers.items() if of == cell}

    def add(self, answer: GivenAnswer) -> None:
        """Keep an answer, in the place of an earlier one to the same question in its cell.

        Raises:
            OSError: the file can't be written.
        """
        self._answers[answer.cell, answer.question] = answer
        self._write({"answer": asdict(answer)})

    def score(self, answer: GivenAnswer) -> Score | None:
        """Return the score of an answer: wrong without SQL, ``None`` while it is not judged."""
        if not answer.sql:
            return Score(False, error=answer.error)
        return self._scores.get((answer.question, answer.sql))

    def judged(self, answer: GivenAnswer, score: Score) -> None:
        """Keep the score of an answer and of all with the same SQL.

        Raises:
            OSError: the file can't be written.
        """
        self._scores[answer.question, answer.sql] = score
        self._write({"score": {"question": answer.question, "sql": answer.sql, **asdict(score)}})

    def _read(self, path: Path, lines: Sequence[bytes], design: Mapping[str, Any]) -> None:
        try:
            before = orjson.loads(lines[0])["design"]
            different = [name for name in design if before.get(name) != design[name]]
            self._keep(map(orjson.loads, lines[1:]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"--results {path} is not a file of this measurement: {error!r}; name another"
            raise ConfigError(message, field="results") from error
        if different:
            said = ", ".join(different)
            raise ConfigError(f"--results {path} is of another {said}; name another file", field="results")

    def _keep(self, lines: Iterable[dict[str, Any]]) -> None:
        for line in lines:
            if "answer" in line:
                answer = GivenAnswer(**line["answer"])
                self._answers[answer.cell, answer.question] = answer
            else:
                told = line["score"]
                question, sql = told.pop("question"), told.pop("sql")
                self._scores[question, sql] = Score(**told)

    def _write(self, line: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(orjson.dumps(line) + b"\n")


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file; a last one whose writing was interrupted is cut off."""
    whole, _, broken = path.read_bytes().rpartition(b"\n")
    if broken:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return whole.splitlines()
