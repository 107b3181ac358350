"""The prompt of a chat, and how what is wrong with a prompt is told."""

from __future__ import annotations

from collections.abc import Awaitable

from engine.controller.prompt_encoder import EncodedPrompt, PromptTooLongError
from launch.api.openai.choices import ContextLengthError
from launch.api.openai.request_models import ChatBody
from launch.api.openai.tool_use import ToolUse, tool_use
from launch.api.services import ApiServices
from sched.errors import InvalidRequestError


async def chat_prompt(services: ApiServices, body: ChatBody) -> tuple[ToolUse, EncodedPrompt]:
    """Return how a chat is asked and read, and its prompt, made by the model's chat template.

    Raises:
        SluiceError: the template, the tools or the length don't allow it.
    """
    template, workers = services.model.template(), services.controller.workers
    use = tool_use(body, template, workers.read_tool_calls)
    segments = template.segments(
        use.messages, body.template_variables, body.continue_final_message, use.tools
    )
    encoding = services.encoder.encode(segments, prefixed=False, most_tokens=workers.context_length)
    return use, await named("messages", encoding)


async def named(field: str, encoding: Awaitable[EncodedPrompt]) -> EncodedPrompt:
    """Return the prompt; what is wrong with it is told of ``field``.

    Raises:
        InvalidRequestError: it has no token, or (a ``ContextLengthError``) far too many.
    """
    try:
        return await encoding
    except PromptTooLongError as error:
        raise ContextLengthError(error.message, field=field) from error
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, field=field) from error
