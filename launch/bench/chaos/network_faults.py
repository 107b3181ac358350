"""Faults of the network between the controller and a worker: cut, and standing still."""

from __future__ import annotations

from launch.bench.chaos.fault import OnWorker


class LinkCut(OnWorker):
    """A worker's connection is closed, and every new one at once, until the worker was given up."""

    STAND = "linked"

    def inject(self) -> None:
        """Cut it."""
        self.stand.proxies[self.name].cut()

    def end(self) -> bool:
        """Let it connect again."""
        self.stand.proxies[self.name].restore()
        return True


class LinkStalled(OnWorker):
    """A worker's connection stays open, new ones are taken, and nothing passes, until it was given up."""

    STAND = "linked"

    def inject(self) -> None:
        """Let nothing pass."""
        self.stand.proxies[self.name].stall()

    def end(self) -> bool:
        """Let everything pass, what was held back first."""
        self.stand.proxies[self.name].restore()
        return True
