"""Chat templates: rendered as transformers does, and cut where no token changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from engine.controller.prompt_encoder import PromptEncoder
from launch.api.openai.logprobs import TokenBytes
from launch.api.openai.served_model import ServedModel
from launch.api.openai.template import MAX_SHARED_CHARACTERS, ChatTemplate
from sched.errors import InvalidRequestError
from sched.workflow import SegmentKind

CHATML = """{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think></think>' }}{% endif %}
{%- endif %}"""
INST = """{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate') }}{% endif %}
{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{% else %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}{% endif %}
{% if loop.index > 90 %}{% break %}{% endif %}{% endfor %}"""
PARTS = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<|im_end|>
{% endfor %}{{ {'tools': tools} | tojson }}<|im_start|>assistant
"""
TEMPLATES = {"chatml": CHATML, "inst": INST, "parts": PARTS}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
MARKS = ["<|im_start|>", "<|im_end|>", "<s>", "</s>"]
USER = {"role": "user", "content": "How many  orders <b>?"}
CHAT = [USER, {"role": "assistant", "content": "12"}, {"role": "user", "content": " and now? "}]
SYSTEM = {"role": "system", "content": "You write SQL.\n\nTables: a, b."}


def _text(template: ChatTemplate, messages: list[dict[str, Any]], **variables: Any) -> str:
    return "".join(segment.text for segment in template.segments(messages, variables))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("variables", [{}, {"enable_thinking": False}])
def test_a_prompt_is_the_one_that_transformers_makes(name: str, variables: dict[str, Any]) -> None:
    """The same sandbox, block tags, filters, functions and special tokens, character by character."""
    reference = pytest.importorskip("transformers.utils.chat_template_utils").render_jinja_template
    as_parts = [m | {"content": [{"type": "text", "text": m["content"]}]} for m in CHAT]
    shown = as_parts if name == "parts" else CHAT
    (expected,), _ = reference(
        [shown], chat_template=TEMPLATES[name], add_generation_prompt=True, **SPECIAL, **variables
    )
    assert _text(ChatTemplate(TEMPLATES[name], SPECIAL), CHAT, **variables) == expected


def test_text_parts_are_joined_for_a_template_that_knows_none() -> None:
    """And stay parts for one that loops over them."""
    parts = [{"role": "user", "content": ["one", "two"]}]
    assert "user\none two<|im_end|>" in _text(ChatTemplate(CHATML), parts)
    assert "user\nonetwo<|im_end|>" in _text(ChatTemplate(PARTS), parts)


def test_a_developer_is_a_system_to_a_template_that_knows_none() -> None:
    """OpenAI's new name for the role works with every model."""
    message = [{"role": "developer", "content": "Be brief."}, USER]
    assert _text(ChatTemplate(CHATML), message).startswith("<|im_start|>system\nBe brief.")
    knows = CHATML + "{# developer #}"
    assert _text(ChatTemplate(knows), message).startswith("<|im_start|>developer\nBe brief.")


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        (INST, [SYSTEM, USER]),
        (INST, [USER, USER]),
        ("{{ messages[0].nothing.more }}", [USER]),
        ("{{ messages.append(1) }}", [USER]),
        ("{{ ''.__class__.__mro__ }}", [USER]),
    ],
)
def test_what_a_template_refuses_is_the_clients_error(source: str, messages: list[dict[str, Any]]) -> None:
    """Its own refusals, what it can't do with these messages, and what the sandbox forbids."""
    with pytest.raises(InvalidRequestError, match="chat template refuses") as raised:
        ChatTemplate(source, SPECIAL).segments(messages, {})
    assert raised.value.field == "messages"


def test_the_clients_variables_can_not_replace_the_messages() -> None:
    """They come beside the conversation, not over it."""
    variables = {"messages": [], "add_generation_prompt": False}
    text = "".join(segment.text for segment in ChatTemplate(CHATML).segments([USER], variables))
    assert "orders" in text
    assert text.endswith("assistant\n")


def test_an_answer_begun_by_the_client_ends_the_prompt() -> None:
    """The last message is not closed, so that the model goes on with it."""
    messages = [USER, {"role": "assistant", "content": "SELECT "}]
    segments = ChatTemplate(CHATML).segments(messages, {}, continue_final=True)
    assert "".join(s.text for s in segments).endswith("<|im_start|>assistant\nSELECT ")
    alone = ChatTemplate(CHATML).segments(messages[1:], {}, continue_final=True)
    assert "".join(s.text for s in alone) == "<|im_start|>assistant\nSELECT "


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["SELECT a FROM b you write SQL orders\n\n how many "] * 9, trainer)
    return tokenizer


def _metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), *((c, -1.0) for c in "\u2581abcSELT\n<|>")], 0))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse()])
    return tokenizer


TOKENIZERS = {"byte level": _byte_level, "metaspace": _metaspace}


@pytest.fixture(scope="module", params=TOKENIZERS)
def encoder(request: pytest.FixtureRequest) -> PromptEncoder:
    tokenizer = TOKENIZERS[request.param]()
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("ab")])
    return PromptEncoder(tokenizer)


@given(system=st.text(" \nabSELCT<|im_end|>é", max_size=40), user=st.text(" \nab<|im_start|>", max_size=20))
async def test_cutting_a_prompt_changes_no_token(encoder: PromptEncoder, system: str, user: str) -> None:
    """With the system message as a segment of its own, the ids are those of the whole text."""
    added = encoder.tokenizer.get_added_tokens_decoder().values()
    segments = ChatTemplate(CHATML, SPECIAL, added).segments(
        [{"role": "system", "content": system}, {"role": "user", "content": user}], {}
    )
    whole = "".join(segment.text for segment in segments)
    expected = encoder.tokenizer.encode(whole, add_special_tokens=False).ids
    prompt = await encoder.encode(segments, prefixed=False)
    assert list(memoryview(prompt.token_ids).cast("i")) == expected
    assert (len(segments) == 2) == bool(system.strip())


def _added(*names: str, **options: bool) -> list[AddedToken]:
    return [AddedToken(name, normalized=False) for name in names[1:]] + [
        AddedToken(names[0], **{"normalized": False} | options)
    ]


@pytest.mark.parametrize(
    "added",
    [
        [],
        _added("<|im_end|>", lstrip=True),
        _added("<|im_end|>", normalized=True),
        _added("<|im_end|>", single_word=True),
        _added("<|im_end|>", ".<|im_"),
        _added("<|im_end|>", ".<|im_end|>\n"),
    ],
)
def test_a_prompt_is_whole_where_a_cut_could_change_tokens(added: list[AddedToken]) -> None:
    """Without a token that stands alone in every case, the system message is not cut off."""
    assert len(ChatTemplate(CHATML, {}, added).segments([SYSTEM, USER], {})) == 1


def test_the_shared_segment_is_the_system_message() -> None:
    """It alone is kept by the encoder; a huge one is not."""
    template = ChatTemplate(CHATML, {}, _added("<|im_end|>"))
    shared, rest = template.segments([SYSTEM, USER], {})
    assert (shared.kind, rest.kind) == (SegmentKind.TEMPLATE, SegmentKind.CONTEXT)
    assert shared.text == "<|im_start|>system\n" + SYSTEM["content"]
    huge = {"role": "system", "content": "x" * MAX_SHARED_CHARACTERS}
    assert [s.kind for s in template.segments([huge, USER], {})] == [SegmentKind.CONTEXT]
    assert [s.kind for s in template.segments(CHAT, {})] == [SegmentKind.CONTEXT]


def _folder(folder: Path, **files: Any) -> ServedModel:
    for name, content in files.items():
        name, text = name.replace("__", "."), content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
    return ServedModel.load("tiny", str(folder), _byte_level())


def test_a_models_folder_gives_template_special_tokens_and_sampling_defaults(tmp_path: Path) -> None:
    """Special tokens may be objects; a top_k of 0 is transformers' way to say none."""
    config = {"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": {"content": "<s>"}}
    generation = {"temperature": 0.6, "top_k": 0, "top_p": None, "eos_token_id": 3}
    model = _folder(tmp_path, tokenizer_config__json=config, generation_config__json=generation)
    assert _text(model.template(), [{"role": "user", "content": "hi"}]) == "<s>hi"
    assert model.sampling_defaults == {"temperature": 0.6}


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"tokenizer_config__json": {"chat_template": [{"name": "default", "template": "A"}]}}, "A"),
        ({"tokenizer_config__json": {"chat_template": "A"}, "chat_template__jinja": "B"}, "B"),
    ],
)
def test_where_a_template_can_stand(tmp_path: Path, files: dict[str, Any], text: str) -> None:
    """In a file of its own, which comes first, or in the tokenizer's configuration, alone or by name."""
    assert _text(_folder(tmp_path, **files).template(), [USER]) == text


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "has no chat template"),
        ({"tokenizer_config__json": "{broken"}, "has no chat template"),
        ({"tokenizer_config__json": {"chat_template": [{"name": "rag", "template": "A"}]}}, "has no chat"),
        ({"chat_template__jinja": "{% if %}"}, "can't be used"),
    ],
)
def test_a_model_without_a_template_says_what_to_do(
    tmp_path: Path, files: dict[str, Any], problem: str
) -> None:
    """Chats are refused with the reason and the remedy; the rest of the server works."""
    with pytest.raises(InvalidRequestError, match=problem) as raised:
        _folder(tmp_path, **files).template()
    assert "chat_template.jinja" in raised.value.message


def test_a_tokens_bytes_are_those_of_the_text() -> None:
    """Also where a token is a part of a character, a space or a byte."""
    tokenizer = _byte_level()
    text = "SELECT é\U00020bb7 orders"
    ids = tokenizer.encode(text).ids
    assert b"".join(map(TokenBytes(tokenizer), ids)).decode() == " " + text

    pieces = ["<unk>", "\u2581how", "<0x0A>", "<0xC3>", "many"]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback()])
    tokenizer.add_special_tokens(["<|x|>"])
    token_bytes = TokenBytes(tokenizer)
    assert [token_bytes(i) for i in range(1, 7)] == [b" how", b"\n", b"\xc3", b"many", b"<|x|>", b""]
