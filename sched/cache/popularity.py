"""Which beginnings of prompts many workflows share: templates and schemas, told by the prompts alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sched.cache.prefix import BLOCK_TOKENS

WORKFLOWS = 3
"""A prefix is popular once this number of workflows has begun prompts with it."""
_STRIDE = 8
"""Only every eighth block is looked at, so that a decision stays cheap."""
_MOST_PREFIXES = 20_000


class Popularity:
    """Counts, per prefix, the workflows that used it; forgets those that none used for longest."""

    def __init__(self, most_prefixes: int = _MOST_PREFIXES) -> None:
        self._most = most_prefixes
        self._users: OrderedDict[int, tuple[str, int]] = OrderedDict()

    def observe(self, workflow_id: str, blocks: Sequence[int]) -> int:
        """Count a prompt and return how many of its leading tokens are popular."""
        users, popular = self._users, 0
        for end in range(_STRIDE, len(blocks) + 1, _STRIDE):
            block = blocks[end - 1]
            latest, count = users.get(block, ("", 0))
            if latest != workflow_id:
                count += 1
                users[block] = (workflow_id, count)
            users.move_to_end(block)
            if count >= WORKFLOWS:
                popular = end * BLOCK_TOKENS
        while len(users) > self._most:
            users.popitem(last=False)
        return popular
