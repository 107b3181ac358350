"""A GGUF file: its metadata, and its tensors as float32 arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


class GgufError(Exception):
    """A file is no GGUF, or holds a model that can't be converted; the message says why."""


class GgufFile:
    """An open file; its tensors are read from disk when they are asked for.

    Raises:
        GgufError: it is no GGUF file.
        OSError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._reader = gguf.GGUFReader(path)
        except ValueError as error:
            raise GgufError(f"{path} is no GGUF file: {error}") from error

    def __contains__(self, key: str) -> bool:
        return key in self._reader.fields

    def __getitem__(self, key: str) -> Any:
        """Return a value of the metadata: a number, a text, or a list of them.

        Raises:
            GgufError: there is none of this name.
        """
        if key not in self:
            raise GgufError(f"the GGUF file has no {key}")
        return self._reader.fields[key].contents()

    def weights(self) -> Iterator[tuple[str, Weights]]:
        """Yield each tensor's name and values, dequantised, rows first.

        Raises:
            GgufError: a tensor has a quantisation that the package ``gguf`` doesn't know.
        """
        for tensor in self._reader.tensors:
            try:
                values = gguf.dequantize(tensor.data, tensor.tensor_type)
            except NotImplementedError as error:
                raise GgufError(f"{tensor.name}: {error}") from error
            yield tensor.name, np.ascontiguousarray(values, dtype=np.float32)
