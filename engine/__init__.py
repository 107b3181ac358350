"""The data plane: wire messages, links, runtimes and the controller that applies the core's decisions."""
