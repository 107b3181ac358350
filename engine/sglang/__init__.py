"""SGLang behind a worker's port: the only place that imports it."""
