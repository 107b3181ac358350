"""Finding texts that resemble a word, typing errors included: MinHash-LSH over pairs of letters."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

# 16 bands of 2 find 89 % of the texts that share 36 % of their pairs (Irlend, Ireland) and 48 % at 20 %.
_BANDS, _ROWS = 16, 2
_PERMUTATIONS = _BANDS * _ROWS
_SCHEME = "affine32"
_COMPARED = 40
_LEAST_SIMILARITY = 0.75
_FORMAT = "1"

_Signatures = npt.NDArray[np.uint32]


class TextIndex:
    """Texts, each with a label, by likeness.  Built once, then only read, from any thread.

    ``signatures`` are those of a stored index.  Memory: about 3 kB a text.

    Raises:
        ValueError: not one label and signature per text.
    """

    def __init__(
        self, texts: Sequence[str], labels: Sequence[str], signatures: _Signatures | None = None
    ) -> None:
        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts have {len(labels)} labels")
        self._texts, self._labels = tuple(texts), tuple(labels)
        self._pattern = MinHash(_PERMUTATIONS, scheme=_SCHEME)
        self._signatures = self._sign(self._texts) if signatures is None else signatures
        if self._signatures.shape != (len(texts), _PERMUTATIONS):
            raise ValueError(f"{len(texts)} texts have signatures of shape {self._signatures.shape}")
        self._lsh = MinHashLSH(num_perm=_PERMUTATIONS, params=(_BANDS, _ROWS))
        for position, row in enumerate(self._signatures):
            self._lsh.insert(position, self._minhash(row), check_duplication=False)
        self._places: dict[str, list[int]] = {}
        for position, text in enumerate(self._texts):
            self._places.setdefault(text.casefold(), []).append(position)
        self._parts: dict[str, list[tuple[int, str]]] = {}
        for position, text in enumerate(self._texts):
            words = text.split()
            is_name = len(words) > 1 and not any(word[0].islower() for word in words)
            for part in dict.fromkeys(words) if is_name else ():
                self._parts.setdefault(part.casefold(), []).append((position, part))

    def __len__(self) -> int:
        return len(self._texts)

    def exact(self, text: str) -> list[str]:
        """Return the labels of the texts that are ``text``, in small or capital letters."""
        return [self._labels[position] for position in self._places.get(text.casefold(), ())]

    def containing(self, word: str) -> list[tuple[str, str]]:
        """Return the labels of the names of several words of which one is ``word``, and how they spell it."""
        return [(self._labels[position], part) for position, part in self._parts.get(word.casefold(), ())]

    def find(self, word: str, limit: int) -> list[tuple[str, float]]:
        """Return up to ``limit`` labels of texts like ``word``, with their likeness (0.75–1), best first."""
        if not word.strip():
            return []
        signature = self._sign([word])[0]
        found = np.array(sorted(self._lsh.query(self._minhash(signature))), dtype=np.intp)
        if not len(found):
            return []
        # The signatures choose whom to compare letter by letter, which is slow.
        shared = (self._signatures[found] == signature).sum(axis=1)
        nearest = found[np.argsort(-shared, kind="stable")[:_COMPARED]]
        matcher = SequenceMatcher(a="", b=word.casefold(), autojunk=False)
        likeness = {}
        for position in nearest.tolist():
            matcher.set_seq1(self._texts[position].casefold())
            likeness[position] = matcher.ratio()
        ranked = sorted(likeness.items(), key=lambda item: (-item[1], item[0]))
        alike = [item for item in ranked[:limit] if item[1] >= _LEAST_SIMILARITY]
        return [(self._labels[position], ratio) for position, ratio in alike]

    def save(self, path: Path, identity: str) -> None:
        """Write the index to ``path`` in one step; ``identity`` says what it was made from.

        Raises:
            OSError: the folder can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        words = json.dumps([identity + _FORMAT, self._texts, self._labels]).encode()
        handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, words=np.frombuffer(words, np.uint8), signatures=self._signatures)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path, identity: str) -> TextIndex | None:
        """Return the index at ``path``; ``None`` if it is missing, made from something else, or broken."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                made_from, texts, labels = json.loads(stored["words"].tobytes())
                if made_from != identity + _FORMAT:
                    return None
                return cls(texts, labels, stored["signatures"])
        except (OSError, ValueError, TypeError, AttributeError, KeyError, EOFError, BadZipFile):
            return None

    def _minhash(self, signature: _Signatures) -> MinHash:
        return MinHash(hashvalues=signature, permutations=self._pattern.permutations, scheme=_SCHEME)

    def _sign(self, texts: Sequence[str]) -> _Signatures:
        pairs: Iterable[list[bytes]] = map(_pairs, texts)
        made = MinHash.generator(pairs, num_perm=_PERMUTATIONS, scheme=_SCHEME)
        rows = [minhash.hashvalues for minhash in made]
        return np.array(rows, dtype=np.uint32).reshape(len(texts), _PERMUTATIONS)


def _pairs(text: str) -> list[bytes]:
    """Return the pairs of neighbouring letters, both ends of the text marked."""
    marked = f"^{' '.join(text.casefold().split())}$"
    return sorted({marked[i : i + 2].encode() for i in range(len(marked) - 1)})
