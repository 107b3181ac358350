"""Texts are found in spite of typing errors."""

from __future__ import annotations

import pytest

from plugins.text2sql.retrieval.text_index import TextIndex

COUNTRIES = ("Germany", "France", "Italy", "Spain", "Netherlands", "Poland", "Sweden", "Ireland", "Iceland")


def index(texts: tuple[str, ...] = COUNTRIES) -> TextIndex:
    return TextIndex(texts, [f"<{text}>" for text in texts])


@pytest.mark.parametrize(
    ("word", "best"),
    [
        ("Germany", "<Germany>"),
        ("germany ", "<Germany>"),
        ("Germny", "<Germany>"),
        ("Irelnd", "<Ireland>"),
        ("Netherland", "<Netherlands>"),
        ("Sweeden", "<Sweden>"),
        ("Itally", "<Italy>"),
    ],
)
def test_a_misspelt_word_finds_its_text(word: str, best: str) -> None:
    """Case, spaces and a wrong, missing or doubled letter don't matter."""
    found = index().find(word, 3)
    assert found[0][0] == best
    assert 0.75 <= found[0][1] <= 1


def test_what_is_unlike_is_not_found() -> None:
    """Other words, empty ones and an empty index give nothing."""
    for word in ("Portugal", "", "  ", "customers", "x" * 10_000):
        assert index().find(word, 3) == []
    assert index(()).find("Germany", 3) == []


def test_likeness_orders_and_the_limit_cuts() -> None:
    """The best match comes first, equals in the order of the texts, and no more than wanted."""
    found = index(("Anna Maria", "Anna Mario", "Anna Maria", "Anne Marie")).find("Anna Maria", 3)
    assert [label for label, _ in found] == ["<Anna Maria>", "<Anna Maria>", "<Anna Mario>"]
    assert [likeness for _, likeness in found][:2] == [1.0, 1.0]


def test_most_typing_errors_are_caught_among_thousands() -> None:
    """Of 300 names with one letter gone, at least nine in ten are found first, among 3,000."""
    first = ("Ander", "Bela", "Coralie", "Dimitri", "Estelle", "Ferdinand", "Gudrun", "Hannibal", "Isolde")
    second = ("Almeida", "Brandt", "Castell", "Dubois", "Eriksson", "Farkas", "Goddard", "Hollander")
    names = tuple(f"{a} {b} {i:02}" for a in first for b in second for i in range(42))
    texts = index(names)
    hits = 0
    for number in range(0, 3000, 10):
        name = names[number]
        gone = 1 + number % (len(name) - 4)
        found = texts.find(name[:gone] + name[gone + 1 :], 1)
        hits += bool(found) and found[0][0] == f"<{name}>"
    assert hits >= 270


def test_labels_and_texts_must_match() -> None:
    """A mistake of the caller is told at once."""
    with pytest.raises(ValueError, match="2 texts have 1 labels"):
        TextIndex(["a", "b"], ["c"])


def test_a_part_of_names_gives_them() -> None:
    """Of sentences, and of texts of one word, no word is a part."""
    texts = ("Granit Max Tent", "Alto Tent", "Tent", "My tent is wet")
    assert index(texts).containing("tent") == [("<Granit Max Tent>", "Tent"), ("<Alto Tent>", "Tent")]
    assert not index(texts).containing("ten")
