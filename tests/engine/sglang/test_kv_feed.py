"""What a worker reports of its cache."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import pytest

from engine.sglang.kv_blocks import KvBlocks
from engine.sglang.kv_feed import KvFeed
from engine.wire.messages import CacheChanged, WireMessage
from sched.cache.prefix import block_chain

BLOCKS = [block_chain(array("i", [token] * 32).tobytes())[0] for token in range(8)]


def read(payload: bytes, blocks: KvBlocks) -> None:
    """Apply a batch written like ``b"+1 -2"``: each number is a prompt of one block; ``!`` clears."""
    for event in payload.decode().split():
        if event == "!":
            blocks.clear()
        elif event[0] == "+":
            token = int(event[1:])
            blocks.store(range(100 * token, 100 * token + 32), None, [token] * 32, 1)
        else:
            blocks.remove(range(100 * -int(event), 100 * -int(event) + 32))


class Controller:
    """Takes reports, or refuses them while ``full``."""

    def __init__(self) -> None:
        self.reports: list[CacheChanged] = []
        self.full = False

    def send(self, message: WireMessage) -> bool:
        assert isinstance(message, CacheChanged)
        if not self.full:
            self.reports.append(message)
        return not self.full

    def latest(self) -> tuple[int, str, set[int], set[int]]:
        """Return the number, scope, and prompts added and removed of the only new report."""
        [report] = self.reports
        self.reports.clear()
        added, removed = ({BLOCKS.index(block) for block in part} for part in (report.added, report.removed))
        return report.sequence, report.scope, added, removed


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller()
    yield controller
    assert controller.reports == [], "a report was not expected"


def test_nothing_is_reported_unasked(controller: Controller) -> None:
    """Before a controller asks the feed only keeps count; then it reports all, then changes, numbered."""
    feed = KvFeed("r0", read)
    feed.batch(b"+1 +2")
    assert feed.flush()
    feed.ask(controller.send)
    assert feed.flush()
    assert controller.latest() == (1, "all", {1, 2}, set())
    feed.batch(b"+3 -1")
    feed.batch(b"+4")
    feed.flush()
    assert controller.latest() == (2, "changes", {3, 4}, {1})
    assert feed.flush()


def test_an_empty_cache_is_reported_too(controller: Controller) -> None:
    """A controller learns that the runtime does report, and when its cache is emptied."""
    feed = KvFeed("r0", read)
    feed.ask(controller.send)
    feed.flush()
    assert controller.latest() == (1, "all", set(), set())
    feed.batch(b"+5")
    feed.flush()
    assert controller.latest() == (2, "changes", {5}, set())
    feed.batch(b"!")
    feed.flush()
    assert controller.latest() == (3, "changes", set(), {5})


def test_a_new_controller_gets_everything(controller: Controller) -> None:
    """Whoever asks last is told, from the beginning."""
    feed, old = KvFeed("r0", read), Controller()
    feed.ask(old.send)
    feed.batch(b"+1")
    feed.flush()
    assert len(old.reports) == 1
    feed.batch(b"+2")
    feed.ask(controller.send)
    feed.flush()
    assert controller.latest() == (2, "all", {1, 2}, set())
    assert len(old.reports) == 1


def test_what_could_not_be_sent_is_made_up_for(controller: Controller) -> None:
    """When the link was full the next report holds everything."""
    feed = KvFeed("r0", read)
    feed.ask(controller.send)
    feed.flush()
    controller.reports.clear()
    controller.full = True
    feed.batch(b"+1")
    assert not feed.flush()
    assert not feed.flush()
    controller.full = False
    feed.batch(b"+2")
    assert feed.flush()
    number, *rest = controller.latest()
    assert rest == ["all", {1, 2}, set()]
    assert number == 4


def test_after_a_loss_nothing_is_claimed_until_the_cache_is_cleared(controller: Controller) -> None:
    """The loss is told once; a cleared cache is known again."""
    feed = KvFeed("r0", read)
    feed.ask(controller.send)
    feed.batch(b"+1")
    feed.flush()
    controller.reports.clear()
    feed.lost()
    feed.batch(b"+2")
    feed.flush()
    assert controller.latest() == (2, "unknown", set(), set())
    feed.batch(b"+3")
    feed.flush()
    feed.ask(controller.send)
    feed.flush()
    assert controller.latest() == (3, "unknown", set(), set())
    feed.batch(b"! +4")
    feed.flush()
    assert controller.latest() == (4, "all", {4}, set())


def test_events_that_can_not_be_read_end_the_reports(controller: Controller) -> None:
    """Another SGLang may mean something else by its events: the feed says so once and stays silent."""
    feed = KvFeed("r0", read)
    feed.ask(controller.send)
    feed.batch(b"+1 nonsense")
    feed.flush()
    assert controller.latest() == (1, "unknown", set(), set())
    feed.batch(b"! +2")
    assert feed.flush()
