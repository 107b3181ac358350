"""Names of responses, new ones and those in a path."""

from __future__ import annotations

from uuid import uuid4

from starlette.convertors import Convertor, register_url_convertor


class ResponseIdConvertor(Convertor[str]):
    """Any segment but ``input_tokens``, a route of its own: it has none of a response's methods."""

    regex = "(?!input_tokens$)[^/]+"

    def convert(self, value: str) -> str:
        """Return the id."""
        return value

    def to_string(self, value: str) -> str:
        """Return the segment."""
        return value


register_url_convertor("response_id", ResponseIdConvertor())
ONE_RESPONSE = "/{response_id:response_id}"
"""The path of a response below that of all."""


def new_response_id() -> str:
    """Return a name that no other response has."""
    return f"resp_{uuid4().hex}"
