"""What OpenAI's routes know of the served model: its names, chat template and sampling defaults."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from launch.api.openai.logprobs import TokenBytes
from launch.api.openai.template import ChatTemplate
from sched.errors import InvalidRequestError, NotFoundError

logger = logging.getLogger(__name__)

_DEFAULT_NAME = "default"
"""SGLang's clients say this where they don't care."""
_SAMPLING_DEFAULTS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_SPECIAL_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model under its public ``name``; its folder's ``path`` is accepted as a name, too.

    ``created`` is Unix time.  ``chat_template`` is ``None`` where there is none that works;
    ``no_template`` then says why.  ``sampling_defaults`` are the model's own, for chats, by SGLang's names.
    ``token_bytes`` says what a token stands for.
    """

    name: str
    path: str = ""
    chat_template: ChatTemplate | None = None
    no_template: str = "the model has no chat template"
    sampling_defaults: Mapping[str, float] = field(default_factory=dict)
    token_bytes: TokenBytes
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def load(cls, name: str, path: str, tokenizer: Tokenizer) -> ServedModel:
        """Return the model in the folder ``path``, whose tokenizer is given.

        Files that can't be read are logged; what needs them is then refused.
        """
        template, problem = _template(Path(path), tokenizer)
        if template is None:
            logger.warning("/v1/chat/completions can't be served: %s", problem)
        generation = _json(Path(path, "generation_config.json"))
        return cls(
            name=name,
            path=path,
            chat_template=template,
            no_template=problem,
            token_bytes=TokenBytes(tokenizer),
            sampling_defaults=_sampling_defaults(generation),
        )

    def check_name(self, name: str | None) -> None:
        """Refuse a request for another model.

        Raises:
            NotFoundError: no such model is served.
        """
        if name not in (None, _DEFAULT_NAME, self.name, self.path):
            raise NotFoundError(f"the model {name!r} does not exist; served is {self.name!r}", field="model")

    def template(self) -> ChatTemplate:
        """Return the chat template.

        Raises:
            InvalidRequestError: there is none that works.
        """
        if self.chat_template is None:
            raise InvalidRequestError(
                f"{self.no_template}: save one as chat_template.jinja in the model's folder and restart the "
                "server, or use /v1/completions",
                field="messages",
            )
        return self.chat_template


def _template(folder: Path, tokenizer: Tokenizer) -> tuple[ChatTemplate | None, str]:
    """Return the template, or none and why."""
    config = _json(folder / "tokenizer_config.json")
    try:
        source = _source(folder, config)
        if source is None:
            return None, "the model has no chat template"
        special = _special_tokens(_json(folder / "special_tokens_map.json") | config)
        return ChatTemplate(source, special, tokenizer.get_added_tokens_decoder().values()), ""
    except Exception as error:  # a template can raise anything
        return None, f"the model's chat template can't be used ({error})"


def _source(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Return the template's text; a file of its own comes first, as in transformers."""
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    source = config.get("chat_template")
    if isinstance(source, list):
        named = {entry["name"]: entry["template"] for entry in source}
        source = named.get("default")
    return source


def _special_tokens(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables ``bos_token`` … of a template; a token is a text or an object with ``content``."""
    names = [f"{name}_token" for name in _SPECIAL_TOKENS]
    tokens = {name: config[name] for name in names if config.get(name)}
    return {
        name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items()
    } | {"additional_special_tokens": config.get("additional_special_tokens") or []}


def _sampling_defaults(generation: Mapping[str, Any]) -> dict[str, float]:
    """Return the model's own defaults; a ``top_k`` under 1 means none, which SGLang would refuse."""
    given = {name: generation.get(name) for name in _SAMPLING_DEFAULTS}
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, int | float) and not (name == "top_k" and value < 1)
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s can't be read: %s", path, error)
        return {}
    return data if isinstance(data, dict) else {}
