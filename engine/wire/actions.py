"""What a ``Command`` can ask of a worker: the values of its ``action``, each with the result in the reply."""

from __future__ import annotations

LOADS = "loads"
"""The present load, one dictionary per scheduler, as SGLang's ``/v1/loads``."""
SERVER_INFO = "server_info"
"""The runtime's arguments and state, as SGLang's ``/server_info``."""
FLUSH_CACHE = "flush_cache"
"""Whether the prefix cache was emptied."""
HEALTH = "health"
"""Whether a token was ``generated``, or other calls went on instead, and after how many ``seconds``."""
METRICS = "metrics"
"""The runtime's own metrics as Prometheus' text."""
