"""A Llama of a GGUF file: its configuration; its weights under other names and in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from launch.models.gguf_file import GgufError, GgufFile, Weights
from launch.models.gguf_llama import config, generation_config, weights
from tests.launch.models.tiny_gguf import (
    CONTEXT,
    END,
    END_OF_TEXT,
    FEED,
    HEAD,
    HEADS,
    HIDDEN,
    KEPT_HEADS,
    LAYERS,
    START,
    TinyLlama,
    vocabulary,
)


def converted(written: TinyLlama, folder: Path) -> tuple[dict[str, Any], dict[str, Weights]]:
    """Return the configuration and the weights made from a file."""
    file = GgufFile(written.write(folder / "tiny.gguf"))
    model = config(file)
    return model, weights(file, model)


def test_the_configuration_has_the_sizes_of_the_file(tmp_path: Path) -> None:
    """Small numbers are those that were meant, not what float32 made of them."""
    model, _ = converted(TinyLlama(), tmp_path)
    assert model["hidden_size"] == HIDDEN
    assert model["intermediate_size"] == FEED
    assert model["num_hidden_layers"] == LAYERS
    assert (model["num_attention_heads"], model["num_key_value_heads"]) == (HEADS, KEPT_HEADS)
    assert model["max_position_embeddings"] == CONTEXT
    assert model["vocab_size"] == len(vocabulary())
    assert (model["rope_theta"], model["rms_norm_eps"]) == (50000.0, 1e-5)


def test_an_answer_ends_at_the_end_of_its_message_or_of_the_text(tmp_path: Path) -> None:
    """Both, since a model may emit either."""
    made = generation_config(GgufFile(TinyLlama().write(tmp_path / "tiny.gguf")))
    tokens = vocabulary()
    assert made == {
        "bos_token_id": tokens.index(START),
        "eos_token_id": [tokens.index(END), tokens.index(END_OF_TEXT)],
    }


def test_every_weight_has_its_name(tmp_path: Path) -> None:
    """All but queries and keys are unchanged."""
    written = TinyLlama()
    _, found = converted(written, tmp_path)
    assert len(found) == 2 + 9 * LAYERS
    names = {
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
        "blk.0.attn_norm": "model.layers.0.input_layernorm",
        "blk.0.attn_v": "model.layers.0.self_attn.v_proj",
        "blk.1.attn_output": "model.layers.1.self_attn.o_proj",
        "blk.0.ffn_norm": "model.layers.0.post_attention_layernorm",
        "blk.0.ffn_gate": "model.layers.0.mlp.gate_proj",
        "blk.1.ffn_up": "model.layers.1.mlp.up_proj",
        "blk.1.ffn_down": "model.layers.1.mlp.down_proj",
    }
    for here, there in names.items():
        np.testing.assert_array_equal(found[f"{there}.weight"], written.weights[f"{here}.weight"])


def rotated_neighbours(vectors: Weights, place: int) -> Weights:
    """Turn the pairs (0, 1), (2, 3), … of each head, as programs do that read GGUF files."""
    angles = place * 50000.0 ** (-np.arange(0, HEAD, 2) / HEAD)
    pairs = vectors.reshape(-1, HEAD // 2, 2)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], axis=-1).reshape(-1, HEAD)


def rotated_halves(vectors: Weights, place: int) -> Weights:
    """Turn the pairs (0, half), (1, half + 1), … of each head, as Hugging Face models do."""
    angles = place * 50000.0 ** (-np.arange(0, HEAD, 2) / HEAD)
    halves = vectors.reshape(-1, 2, HEAD // 2)
    turned = (halves[:, 0] + 1j * halves[:, 1]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], axis=-1)


def test_queries_meet_keys_as_before(tmp_path: Path) -> None:
    """The rows' new order goes with the other way to rotate: every score of attention stays."""
    written = TinyLlama()
    _, found = converted(written, tmp_path)
    asked, seen = np.random.default_rng(1).standard_normal((2, HIDDEN))

    def scores(queries: Weights, keys: Weights, rotated: Any) -> Weights:
        query, key = rotated(queries @ asked, 5), rotated(keys @ seen, 2)
        return np.asarray((query.reshape(KEPT_HEADS, -1, HEAD) * key[:, None]).sum(axis=-1))

    attention = "model.layers.1.self_attn"
    before = scores(
        written.weights["blk.1.attn_q.weight"], written.weights["blk.1.attn_k.weight"], rotated_neighbours
    )
    after = scores(found[f"{attention}.q_proj.weight"], found[f"{attention}.k_proj.weight"], rotated_halves)
    np.testing.assert_allclose(after, before, rtol=1e-9)


@pytest.mark.parametrize("kind", [gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0])
def test_quantised_weights_are_near_the_real_ones(tmp_path: Path, kind: gguf.GGMLQuantizationType) -> None:
    """Within half a step of a block's values, also where rows change places."""
    written = TinyLlama(quantised=kind)
    exact = TinyLlama()
    (tmp_path / "exact").mkdir()
    _, found = converted(written, tmp_path)
    _, wanted = converted(exact, tmp_path / "exact")
    steps = {gguf.GGMLQuantizationType.Q4_1: 15, gguf.GGMLQuantizationType.Q8_0: 255}[kind]
    for name, values in found.items():
        assert values.dtype == np.float32
        bound = 0.0 if values.ndim == 1 else 0.51 * 2 * np.abs(wanted[name]).max() / steps
        assert np.abs(values - wanted[name]).max() <= bound * 1.02


@pytest.mark.parametrize("tied", [True, False])
def test_an_output_layer_is_kept_if_there_is_one(tmp_path: Path, tied: bool) -> None:
    """Without one the output is tied to the embedding."""
    _, found = converted(TinyLlama(tied=tied), tmp_path)
    assert ("lm_head.weight" in found) is not tied


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (TinyLlama(changed={"architecture": "qwen2"}), "'qwen2' is not converted"),
        (TinyLlama(changed={"rope_dimensions": HEAD // 2}), "a part of each head"),
        (
            TinyLlama(left_out=("blk.1.ffn_up",)),
            r"1\.mlp\.up_proj\.weight should be .* but is absent",
        ),
        (TinyLlama(added=("rope_freqs",)), r"rope_freqs\.weight has no place"),
        (TinyLlama(added=("blk.0.attn_q_norm",)), r"attn_q_norm\.weight has no place"),
        (TinyLlama(added=("blk.2.attn_norm",)), r"layers\.2\..* should be absent"),
    ],
)
def test_another_model_is_refused(tmp_path: Path, written: TinyLlama, message: str) -> None:
    """Whatever would be lost or misread is named."""
    with pytest.raises(GgufError, match=message):
        converted(written, tmp_path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    """What is no GGUF file is told so."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"no model" * 10)
    with pytest.raises(GgufError, match="is no GGUF file"):
        GgufFile(file)
