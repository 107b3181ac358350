"""What the configuration means for the Text-to-SQL workflow."""

from __future__ import annotations

from tokenizers import Tokenizer

from engine.controller.prompt_frame import PromptFrames
from launch.api.openai.served_model import ServedModel
from launch.controller.chat_frames import frames_of
from launch.server.config import ControllerSpec, ServerConfig
from launch.shipped import profile_registry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Profile
from sched.errors import ConfigError


def prompt_profile(spec: ControllerSpec, tokenizer: Tokenizer) -> Profile:
    """Return how the served model, whose tokenizer is ``tokenizer``, is asked.

    Raises:
        ConfigError: the profile can't be loaded.
    """
    demo = spec.embedded_model and not spec.config.simulated
    profile = profile_registry().load("demo" if demo else spec.config.prompt_profile)
    return profile.of_model(tokenizer.get_vocab())


def prompt_frames(config: ServerConfig, profile: Profile, model: ServedModel) -> PromptFrames | None:
    """Return what the model's chat template puts around prompts; ``None`` where they are raw.

    Raises:
        ConfigError: the template is asked for, and there is none that can be used.
    """
    found_out = profile.chats and model.chat_template is not None and not config.simulated
    if config.prompt_format == "raw" or (config.prompt_format == "auto" and not found_out):
        return None
    if model.chat_template is None:
        raise ConfigError(
            f"--prompt-format chat: {model.no_template}; save one as chat_template.jinja in its folder",
            field="prompt_format",
        )
    return frames_of(model.chat_template, config.chat_template_kwargs)


def text2sql_options(config: ServerConfig, thinks: bool) -> Text2SqlOptions:
    """Return the workflow's options; ``thinks`` says whether the model can think before its answer."""
    return Text2SqlOptions(
        candidates=config.candidates,
        max_revisions=config.max_revisions,
        early_ending=not config.no_early_ending,
        max_sql_tokens=config.max_sql_tokens,
        max_answer_tokens=config.max_answer_tokens,
        thinking_tokens=config.thinking_tokens if thinks else 0,
        reasoning_parser=config.engine_args.get("reasoning_parser"),
        candidate_temperature=config.candidate_temperature,
        revision_temperature=config.revision_temperature,
        schema_shape=config.schema_shape,
        linking_parts=config.linking_parts,
        max_rows=config.max_rows,
        conversations=config.conversations,
        conversation_seconds=config.conversation_seconds,
    )
