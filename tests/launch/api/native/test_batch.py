"""From a request to its calls: SGLang's rules for lists and samples."""

from __future__ import annotations

from typing import Any

import pytest

from launch.api.native.batch import Batch, expand
from launch.api.native.native_bodies import MAX_CALLS, GenerateBody
from sched.errors import InvalidRequestError


def batch(**body: Any) -> Batch:
    return expand(GenerateBody.model_validate(body))


def test_one_prompt_is_one_call_and_no_list() -> None:
    """The client's name is the call's."""
    one = batch(text="a", rid="mine")
    assert one.single
    assert [(item.rid, item.prompt) for item in one.items] == [("mine", 0)]
    assert batch(input_ids=[1, 2]).prompts == [[1, 2]]


def test_a_list_of_one_is_a_list() -> None:
    """As in SGLang, the answer's form follows the request's."""
    assert not batch(text=["a"]).single
    assert not batch(input_ids=[[1]]).single


def test_samples_of_a_prompt_stand_side_by_side() -> None:
    """Two prompts with two samples make four calls, prompt by prompt, and even one prompt a list."""
    four = batch(text=["a", "b"], sampling_params={"n": 2})
    assert [item.prompt for item in four.items] == [0, 0, 1, 1]
    assert not batch(text="a", sampling_params={"n": 2}).single
    assert len({item.rid for item in four.items}) == 4


def test_each_prompt_has_its_own_parameters() -> None:
    """Lists give one value a prompt, single values count for all."""
    two = batch(
        text=["a", "b"],
        sampling_params=[{"temperature": 0}, {"temperature": 1}],
        return_logprob=[False, True],
        top_logprobs_num=[1, 2],
        token_ids_logprob=[[7], [8, 9]],
        logprob_start_len=0,
    )
    first, second = two.items
    assert (first.sampling.temperature, second.sampling.temperature) == (0, 1)
    assert first.logprobs == {}
    assert second.logprobs == {
        "return_logprob": True,
        "logprob_start_len": 0,
        "top_logprobs_num": 2,
        "token_ids_logprob": [8, 9],
        "return_text_in_logprobs": False,
    }


def test_a_flat_list_of_token_ids_counts_for_all_prompts() -> None:
    """Unlike the other fields, token_ids_logprob is a list already for one prompt."""
    items = batch(text=["a", "b"], return_logprob=True, token_ids_logprob=[7, 8]).items
    assert [item.logprobs["token_ids_logprob"] for item in items] == [[7, 8], [7, 8]]


@pytest.mark.parametrize(
    ("body", "rids"),
    [
        ({"text": ["a", "b"], "rid": "r"}, ["r_0", "r_1"]),
        ({"text": ["a", "b"], "rid": ["x", "y"]}, ["x", "y"]),
        ({"text": "a", "rid": "r", "sampling_params": {"n": 2}}, ["r_0", "r_1"]),
        ({"text": ["a", "b"], "rid": ["x", "y"], "sampling_params": {"n": 2}}, ["x_0", "x_1", "y_0", "y_1"]),
    ],
)
def test_every_call_can_be_named(body: dict[str, Any], rids: list[str]) -> None:
    """A name for several calls gets their numbers, so that each can be aborted."""
    assert [item.rid for item in batch(**body).items] == rids


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"text": ["a", "b"], "sampling_params": [{}]}, "sampling_params", "1 values for 2 prompts"),
        ({"text": "a", "sampling_params": [{}]}, "sampling_params", "one prompt"),
        ({"text": ["a", "b"], "sampling_params": [{"n": 2}, {}]}, "sampling_params.n", "the same"),
        ({"text": ["a", "b"], "rid": ["x", "x"]}, "rid", "twice"),
        ({"text": ["a", "b"], "rid": ["x"]}, "rid", "1 values for 2 prompts"),
        ({"text": "a", "rid": ["x"]}, "rid", "one prompt"),
        ({"text": ["a"], "return_logprob": [True, False]}, "return_logprob", "2 values for 1 prompts"),
        ({"text": ["a"], "token_ids_logprob": [[1], [2]]}, "token_ids_logprob", "2 values for 1 prompts"),
        ({"text": ["a", "b"], "sampling_params": {"n": MAX_CALLS}}, "sampling_params.n", "fewer"),
        ({"text": ["a"] * (MAX_CALLS + 1)}, "text", "fewer"),
        ({"text": []}, "text", "empty"),
    ],
)
def test_lists_that_do_not_fit_are_refused(body: dict[str, Any], field: str, message: str) -> None:
    """The error names the field, before any call is made."""
    with pytest.raises(InvalidRequestError, match=message) as raised:
        batch(**body)
    assert raised.value.field == field
