"""What the configuration means for the Text-to-SQL workflow."""

from __future__ import annotations

from tokenizers import Tokenizer

from launch.server.config import ControllerSpec, ServerConfig
from launch.shipped import profile_registry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Profile


def prompt_profile(spec: ControllerSpec, tokenizer: Tokenizer) -> Profile:
    """Return how the served model, whose tokenizer is ``tokenizer``, is asked.

    Raises:
        ConfigError: the profile can't be loaded.
    """
    demo = spec.embedded_model and not spec.config.simulated
    profile = profile_registry().load("demo" if demo else spec.config.prompt_profile)
    return profile.of_model(tokenizer.get_vocab())


def text2sql_options(config: ServerConfig) -> Text2SqlOptions:
    """Return the workflow's options."""
    return Text2SqlOptions(
        candidates=config.candidates,
        max_revisions=config.max_revisions,
        early_ending=not config.no_early_ending,
    )
