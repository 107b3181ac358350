"""A detour of a worker's link through a proxy, for tests and ``launch/bench/chaos`` that harm the network."""

from __future__ import annotations

import os

from engine.sglang.variables import LINK_VIA


def via(name: str, endpoint: str) -> str:
    """Return where the worker ``name`` finds its controller: at ``endpoint`` unless told otherwise."""
    asked = (part.partition("=") for part in os.environ.get(LINK_VIA, "").split(","))
    return {worker: address for worker, _, address in asked}.get(name, endpoint)
