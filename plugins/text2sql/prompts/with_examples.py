"""The long prompts: the instructions followed by worked examples, for models with room for them.

An example is laid out by the same functions as a real prompt, so that a model meets in its prompt what
it has seen in the examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from plugins.text2sql import answers, stages
from plugins.text2sql.databases.schema import render
from plugins.text2sql.databases.sqlite.sqlite_dialect import literal
from plugins.text2sql.prompts import wording
from plugins.text2sql.prompts.layout import COMPACT, Prompts, Style, Topic
from plugins.text2sql.prompts.worked_examples import (
    Example,
    ExampleDatabase,
    Part,
    assemble,
    example_databases,
)
from sched.workflow import Segment, SegmentKind

_EXAMPLES = "Worked examples follow, then the task.\n\n"
_TASK = "\nThe task\n\n"
_SQL_FORM = "End your answer with the statement between ```sql and ```.\n\n"
# The order in which an engine goes through the clauses.
_EXECUTION = ("from", "join", "left join", "where", "group", "having", "select", "order", "limit")
_ACTIONS = {
    "from": "Scan",
    "join": "Join",
    "left join": "Join",
    "where": "Keep the rows with",
    "group": "Group by",
    "having": "Keep the groups with",
    "select": "Return",
    "order": "Sort by",
    "limit": "Stop after",
}
_KEYWORD_EXAMPLES = 16
_LINKING_DATABASES = 2
_REVISIONS = 3

_TOOLS = {
    stages.INFORMATION_RETRIEVAL: (
        stages.EXTRACT_KEYWORDS,
        wording.RETRIEVE_VALUES,
        wording.RETRIEVE_COLUMNS,
        wording.DONE,
    ),
    stages.UNIT_TESTER: (stages.GENERATE_UNIT_TEST, stages.EVALUATE, wording.DONE),
}

_Pair = tuple[ExampleDatabase, Example]
_Answer = Callable[[ExampleDatabase, Example], tuple[list[Segment], str]]
# Gives the prompt of an example and the answer to it.


@cache
def full_prompts() -> Prompts:
    """Return the long profile; made at the first call (a fraction of a second), always the same text."""
    bare = Prompts("full", COMPACT.styles, wording.INSTRUCTIONS, "Solution:\n", "Cause: ")
    with example_databases() as databases:
        everything = _pairs(databases)
        styles = (
            Style("divide", wording.DIVIDE + _SQL_FORM + _worked(everything, _candidate(bare, _divided))),
            Style("plan", wording.PLAN + _SQL_FORM + _worked(everything, _candidate(bare, _planned))),
        )
        rivals = [(database, example) for database, example in everything if example.rival]
        examples = {
            stages.INFORMATION_RETRIEVAL: _decided(bare, stages.INFORMATION_RETRIEVAL, everything[:1]),
            stages.EXTRACT_KEYWORDS: _worked(everything[:_KEYWORD_EXAMPLES], _keywords(bare)),
            stages.SCHEMA_LINKING: _worked(_pairs(databases[:_LINKING_DATABASES]), _linking(bare)),
            stages.REVISE: _SQL_FORM + _worked(_pairs(databases, _REVISIONS), _revision(bare)),
            stages.UNIT_TESTER: _decided(bare, stages.UNIT_TESTER, rivals[:2]),
            stages.GENERATE_UNIT_TEST: _worked(rivals[1:2], _unit_tests(bare)),
            stages.EVALUATE: _worked(rivals[:1], _evaluation(bare)),
        }
    worked = {stage: wording.INSTRUCTIONS[stage] + text for stage, text in examples.items()}
    return replace(bare, styles=styles, templates=worked)


def _pairs(databases: Sequence[ExampleDatabase], each: int | None = None) -> list[_Pair]:
    """Return the examples with their databases, of each database the first ``each``."""
    return [(database, example) for database in databases for example in database.examples[:each]]


def _worked(pairs: Sequence[_Pair], answer: _Answer) -> str:
    """Return the examples one after the other; a database's schema comes once, before its first."""
    texts = [_EXAMPLES]
    shown = None
    for database, example in pairs:
        prompt, solution = answer(database, example)
        hidden = {SegmentKind.TEMPLATE} | ({SegmentKind.SCHEMA} if shown is database else set())
        texts += [segment.text for segment in prompt if segment.kind not in hidden]
        texts.append(f"{solution}\n\n")
        shown = database
    return "".join(texts).removesuffix("\n") + _TASK


def _topic(database: ExampleDatabase, example: Example, tables: Sequence[str] | None = None) -> Topic:
    return Topic(
        render(database.schema, tables), example.ask, COMPACT.retrieved(_values(database, example), ())
    )


def _values(database: ExampleDatabase, example: Example) -> list[str]:
    """Return the sample values that the right statement compares with, as retrieval would show them."""
    return [
        f"{table.name}.{column.name} = {literal(sample)}"
        for table in database.schema.tables
        for column in table.columns
        for sample in column.samples
        if table.name in example.tables(database.schema) and f"= {literal(sample)}" in example.sql
    ]


def _fenced(sql: str) -> str:
    return f"```sql\n{sql}\n```"


def _candidate(prompts: Prompts, reason: Callable[[Example], str]) -> _Answer:
    def answer(database: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        style = prompts.styles[0]
        prompt = prompts.candidate(style, _topic(database, example), example.tables(database.schema))
        return prompt, f"{reason(example)}\n{_fenced(example.sql)}"

    return answer


def _divided(example: Example) -> str:
    """Return the reasoning of the style "divide": a part of the question, why, and the SQL so far."""
    lines = []
    for number, part in enumerate(example.parts, 1):
        so_far = " ".join(assemble(example.parts[:number]).split())
        lines.append(f"Part {number}: {part.ask} {part.why}")
        lines.append(f"Clause: {part.text}")
        if number < len(example.parts):
            lines.append(f"So far: {so_far}")
    lines.append("Every part of the question has its clause, and no clause is without a part.")
    return "\n".join(lines)


def _planned(example: Example) -> str:
    """Return the reasoning of the style "plan": what an engine would do, step by step."""
    ordered: list[Part] = sorted(example.parts, key=lambda part: _EXECUTION.index(part.clause))
    steps = [
        f"{number}. {_ACTIONS[part.clause]} {part.sql}. {part.why}" for number, part in enumerate(ordered, 1)
    ]
    return "\n".join(steps)


def _revision(prompts: Prompts) -> _Answer:
    def answer(database: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        complaint = database.run(example.wrong_sql).error or "the statement ran and returned no rows"
        prompt = prompts.revision(_topic(database, example), example.wrong_sql, complaint)
        return prompt, f"{example.cause}\n{_fenced(example.sql)}"

    return answer


def _keywords(prompts: Prompts) -> _Answer:
    def answer(_: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        return prompts.keywords(Topic("", example.ask)), json.dumps(example.keywords)

    return answer


def _linking(prompts: Prompts) -> _Answer:
    def answer(database: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        return prompts.linking(_topic(database, example)), json.dumps(example.tables(database.schema))

    return answer


def _unit_tests(prompts: Prompts) -> _Answer:
    def answer(database: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        topic = _topic(database, example, example.tables(database.schema))
        prompt = prompts.unit_tests(topic, _rivals(database, example), len(example.tests))
        return prompt, "\n".join(f"- {test}" for test in example.tests)

    return answer


def _evaluation(prompts: Prompts) -> _Answer:
    def answer(database: ExampleDatabase, example: Example) -> tuple[list[Segment], str]:
        topic = _topic(database, example, example.tables(database.schema))
        prompt = prompts.evaluation(topic, _rivals(database, example), example.tests[0])
        return prompt, f"Candidate 1: {answers.PASSED}\nCandidate 2: {answers.FAILED}"

    return answer


def _rivals(database: ExampleDatabase, example: Example) -> str:
    return COMPACT.compared([database.run(example.sql), database.run(example.rival_sql)])


def _decided(prompts: Prompts, stage: str, pairs: Sequence[_Pair]) -> str:
    """Return an agent's decisions on the questions, from the first tool to the end."""
    tools = _TOOLS[stage]
    lines = [_EXAMPLES]
    for _, example in pairs:
        for number, tool in enumerate(tools):
            prompt = prompts.decision(stage, Topic("", example.ask), tools[:number])
            shown = prompt[1:] if number == 0 else prompt[2:]
            lines.append("".join(segment.text for segment in shown) + f"{tool}\n")
        lines.append("\n")
    return "".join(lines).removesuffix("\n") + _TASK
