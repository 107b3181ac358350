"""The worker process: one runtime, served over the link."""
