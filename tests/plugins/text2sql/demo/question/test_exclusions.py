"""Which names a question excludes."""

from __future__ import annotations

import pytest

from plugins.text2sql.demo.question.exclusions import excluded


@pytest.mark.parametrize(
    ("question", "rome", "anna"),
    [
        ("customers from Rome called Anna", False, False),
        ("customers from Rome who aren't called Anna", False, True),
        ("customers not from Rome called Anna", True, False),
        ("everybody but Anna from Rome", False, True),
        ("neither Rome nor Anna", True, True),
        ("all of Anna except for Rome", True, False),
        ("not more than 5 orders of Anna in Rome", False, False),
        ("no. of orders of Anna in Rome", False, False),
        ("orders paid either by Anna or Rome", False, False),
        ("Anna doesnt live in rome", True, False),
        ("not in Rome and Anna", True, None),
        ("all of Anna except those in Rome", None, None),
        ("Anna has never been to Rome", None, None),
        ("orders of Anna in Rome that weren't shipped", None, None),
        ("nothing but Rome and Anna", None, None),
        ("romero but not Rome, not <7>, Anna", None, None),
        ("Romero, not Rome, Anna", True, None),
        ("all places but Rome, Anna", None, None),
        ("the largest order ever from Rome, by Anna", False, False),
        ("customers exclusively from Rome, as Anna", False, False),
        ("no of orders of Anna in Rome", False, False),
        ("other places than Rome, Anna", None, None),
        ("people called other than Anna in Rome", False, True),
        ("city != Rome, Anna", None, None),
        ("why hasn't Anna ordered in Rome", None, None),
        ("orders of Anna not delivered by Rome", True, False),
        ("what nobody in Rome bought of Anna", None, None),
    ],
)
def test_what_stands_behind_a_negation_is_excluded(
    question: str, rome: bool | None, anna: bool | None
) -> None:
    """Where something is excluded that is none of the names, nothing is sure."""
    assert excluded(question, ["Rome", "Anna"]) == [rome, anna]
