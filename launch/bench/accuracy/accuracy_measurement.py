"""A measurement under way: what is missing is asked, what was answered is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from launch.bench.accuracy.accuracy_cells import AccuracyCell
from launch.bench.accuracy.answer_file import AnswerFile
from launch.bench.accuracy.asking import Asking, ask_all
from launch.bench.accuracy.bench_servers import forget_prompts
from launch.bench.accuracy.benchmarks.benchmark import Benchmark
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.cell_figures import CellFigures, JudgedAnswer, figures_of
from launch.bench.accuracy.given_answer import GivenAnswer
from launch.bench.cost.probe_load import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """``questions`` are those of the benchmark that are asked, in their order; with ``retry`` those without
    an answer are asked again.  ``console`` shows how far it is."""

    benchmark: Benchmark
    questions: Sequence[BenchmarkQuestion]
    asking: Asking
    answers: AnswerFile
    retry: bool
    console: Console

    def missing(self, cell: AccuracyCell) -> list[BenchmarkQuestion]:
        """Return the questions that are still to be asked in ``cell``."""
        known = self.answers.answers(cell.key).values()
        done = {answer.question for answer in known if not (self.retry and answer.failed)}
        return [question for question in self.questions if question.id not in done]

    async def ask(self, url: str, cells: Iterable[AccuracyCell]) -> None:
        """Ask what is missing in ``cells``, one cell after the other, each with empty caches.

        Raises:
            OSError: the answers can't be kept.
        """
        with self._progress() as progress:
            for cell in cells:
                questions = self.missing(cell)
                task = progress.add_task(f"asking {cell.key}", total=len(questions))
                try:
                    forget_prompts(url)
                except BenchError as error:
                    progress.print(str(error))

                def answered(answer: GivenAnswer, task: object = task) -> None:
                    self.answers.add(answer)
                    progress.advance(task)  # type: ignore[arg-type]

                await ask_all(url, cell, questions, self.asking, answered)

    def judge(self, cells: Iterable[AccuracyCell]) -> None:
        """Judge the answers in ``cells`` that were not judged yet.

        Raises:
            OSError: the scores can't be kept.
        """
        asked = {question.id: question for question in self.questions}
        unjudged = {
            (answer.question, answer.sql): answer
            for cell in cells
            for answer in self._answered(cell)
            if self.answers.score(answer) is None
        }
        with self._progress() as progress:
            for answer in progress.track(unjudged.values(), description="judging"):
                score = self.benchmark.judge.judge(asked[answer.question], answer.sql)
                self.answers.judged(answer, score)

    def figures(self, cell: AccuracyCell) -> CellFigures:
        """Return the figures of a cell whose answers are all judged."""
        asked = {question.id: question for question in self.questions}
        judged = []
        for answer in self._answered(cell):
            score = self.answers.score(answer)
            assert score is not None
            judged.append(JudgedAnswer(asked[answer.question], answer, score))
        return figures_of(cell, judged, self.asking.slo_seconds)

    def write_predictions(self, path: Path, cells: Sequence[AccuracyCell]) -> Iterator[Path]:
        """Write the benchmark's file of answers for each of ``cells``; yield the paths.

        Of several cells each gets a file of its own, with the cell's name in the file's.

        Raises:
            OSError: one can't be written.
        """
        for cell in cells:
            name = cell.key.replace(" × ", "-").replace(", ", "-").replace("/s", "-per-second")
            told = path.with_name(f"{path.stem}-{name.replace(' ', '-')}{path.suffix}")
            sql = {answer.question: answer.sql for answer in self._answered(cell) if answer.sql}
            file = path if len(cells) == 1 else told
            self.benchmark.write_predictions(file, self.benchmark.questions, sql)
            yield file

    def _answered(self, cell: AccuracyCell) -> list[GivenAnswer]:
        known = self.answers.answers(cell.key)
        return [known[question.id] for question in self.questions if question.id in known]

    def _progress(self) -> Progress:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        return Progress(*columns, console=self.console, transient=True)
