"""Finding texts that a word names, typing errors included."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from plugins.text2sql.retrieval.likeness import alike, folded

_LEAST_SIMILARITY = 0.75


class TextIndex:
    """Texts, each with a label, by likeness.  Built once, then only read, from any thread.

    The likeness of two texts is the share of their letters that both have in the same order, from 0 to 1, as
    :func:`folded` writes them.  A word is compared with every text, about 50 ns each.

    Raises:
        ValueError: not one label per text.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts have {len(labels)} labels")
        self._labels = tuple(labels)
        self._spelt = frozenset(texts)
        self._texts = [folded(text) for text in texts]
        self._cased: dict[str, list[int]] = {}
        self._places: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            self._cased.setdefault(text.casefold(), []).append(position)
            self._places.setdefault(self._texts[position], []).append(position)
        self._parts: dict[str, list[tuple[int, str]]] = {}
        for position, text in enumerate(texts):
            words = text.split()
            is_name = len(words) > 1 and not any(word[0].islower() for word in words)
            for part in dict.fromkeys(words) if is_name else ():
                self._parts.setdefault(part.casefold(), []).append((position, part))

    def __len__(self) -> int:
        return len(self._texts)

    def spelt(self, text: str) -> bool:
        """Whether a text is ``text``, letter by letter."""
        return text in self._spelt

    def exact(self, text: str) -> list[str]:
        """Return the labels of the texts that are ``text``, in small or capital letters.

        If there are none, those that differ in accents, hyphens, apostrophes or a possessive s.
        """
        places = self._cased.get(text.casefold()) or self._places.get(folded(text)) or []
        return [self._labels[position] for position in places]

    def containing(self, word: str) -> list[tuple[str, str]]:
        """Return the labels of the names of several words of which one is ``word``, and how they spell it."""
        return [(self._labels[position], part) for position, part in self._parts.get(word.casefold(), ())]

    def find(self, word: str, limit: int) -> list[tuple[str, float]]:
        """Return up to ``limit`` labels of texts like ``word``, with their likeness (0.75–1), best first.

        Of texts that are equally like it the earlier ones come first.
        """
        said = folded(word)
        near = process.extract(
            said, self._texts, scorer=fuzz.ratio, limit=None, score_cutoff=100 * _LEAST_SIMILARITY
        )
        found = ((self._labels[position], score / 100) for text, score, position in near if alike(said, text))
        return [match for match, _ in zip(found, range(limit), strict=False)]
