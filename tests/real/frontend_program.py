"""A program in SGLang's frontend language, against the server whose address is its argument.

It prints what came out as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import sglang as sgl
from sglang.lang.backend.runtime_endpoint import RuntimeEndpoint

CHOICES = [" SELECT", " FROM orders", " count"]


@sgl.function  # type: ignore[untyped-decorator]
def question(s: Any, text: str) -> None:
    """Two drafts side by side, a choice by their likelihood, a constrained number."""
    s += f"Question: {text}\n"
    drafts = s.fork(2)
    for index, draft in enumerate(drafts):
        draft += f"Draft {index}: "
        draft += sgl.gen("draft", max_tokens=8, temperature=0, stop="\n")
    s += drafts[0]["draft"] + drafts[1]["draft"]
    s += "Choice:" + sgl.select("choice", choices=CHOICES)
    s += sgl.gen(
        "number", max_tokens=6, regex=r"[0-9]+", temperature=0, return_logprob=True, top_logprobs_num=2
    )


def main() -> None:
    """Run the program once, in a batch and as a stream, then use the backend's own calls."""
    backend = RuntimeEndpoint(sys.argv[1])
    sgl.set_default_backend(backend)
    one = question.run(text="How many orders?")
    batch = question.run_batch([{"text": "first"}, {"text": "second"}, {"text": "third"}])
    stream = question.run(text="How many orders?", stream=True)
    streamed = "".join(stream.text_iter(var_name="number"))
    backend.cache_prefix("a prefix")
    backend.flush_cache()
    meta = one.get_meta_info("number")
    print(
        json.dumps(
            {
                "choice": one["choice"],
                "number": one["number"],
                "streamed": streamed,
                "batch": [state["choice"] for state in batch],
                "choice_logprobs": one.get_meta_info("choice")["input_token_logprobs"],
                "output_token_logprobs": meta["output_token_logprobs"],
                "output_top_logprobs": meta["output_top_logprobs"],
                "model": backend.get_model_name(),
                "version": backend.get_server_info()["version"],
            }
        )
    )


if __name__ == "__main__":
    main()
