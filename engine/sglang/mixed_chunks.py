"""How SGLang's scheduler mixes prefill into decoding, set while it runs.  Knows SGLang's scheduler.

With a prefill budget, prompts are prefilled beside the decoding calls (``enable_mixed_chunk``), up to that
number of tokens per pass.  SGLang's chunk includes the running decodes, so it is set before each batch, to
running + budget.  On a GPU that needs a start with ``enable_mixed_chunk``, since prefills' CUDA graphs
depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BATCHING_METHOD = "sluice_batching"
_BUDGET = "sluice_prefill_budget"
_AS_STARTED = "sluice_as_started"


def set_batching(scheduler: Any, budget: int) -> None:
    """Prefill ``budget`` tokens beside decoding from the next batch on; 0: as SGLang was started.

    Called through ``Engine.collective_rpc``, which reaches all ranks between the same two forward passes.

    Raises:
        RuntimeError: SGLang was started without chunked prefill, or this version has other settings.
    """
    if not scheduler.chunked_prefill_size:
        raise RuntimeError("SGLang was started without chunked prefill: no budget can be set")
    started = getattr(scheduler, _AS_STARTED, None)
    if started is None:
        started = scheduler.chunked_prefill_size, scheduler.is_mixed_chunk
        setattr(scheduler, _AS_STARTED, started)
    if budget and not started[1] and str(scheduler.device) != "cpu":
        raise RuntimeError("SGLang was started without --enable-mixed-chunk")
    setattr(scheduler, _BUDGET, budget)
    scheduler.chunked_prefill_size, scheduler.is_mixed_chunk = (budget, True) if budget else started


def with_budget(original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
    """Have the next prefill batch chosen with a chunk of running + budget; a hook of SGLang's
    ``get_new_batch_prefill``."""
    budget = getattr(scheduler, _BUDGET, 0)
    if budget:
        scheduler.chunked_prefill_size = budget + len(scheduler.running_batch.reqs)
    return original(scheduler, *args, **kwargs)
