"""What the configuration means for the Text-to-SQL workflow."""

from __future__ import annotations

from tokenizers import Tokenizer

from launch.server.config import ControllerSpec
from plugins.text2sql.demo.question.familiar import known_words
from plugins.text2sql.options import Text2SqlOptions

_DEMO_REVISIONS = 3
"""The demo model finds soon what it finds at all."""


def text2sql_options(spec: ControllerSpec, tokenizer: Tokenizer) -> Text2SqlOptions:
    """Return the workflow's options; the demo model has a profile of its own and is bound by grammars.

    ``tokenizer`` is that of the served model: a word that the demo model knows is one of its tokens.
    """
    config = spec.config
    demo = spec.embedded_model and not config.simulated
    return Text2SqlOptions(
        candidates=config.candidates,
        max_revisions=min(config.max_revisions, _DEMO_REVISIONS) if demo else config.max_revisions,
        early_ending=not config.no_early_ending,
        profile="demo" if demo else config.prompt_profile,
        constrained=demo,
        known_words=known_words(tokenizer.get_vocab()) if demo else None,
    )
