"""What a runtime's cache is believed to hold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sched.cache.belief import UNREPORTED_SECONDS, CacheBelief
from sched.cache.prefix import BLOCK_TOKENS
from sched.decisions import Dispatch
from sched.events import CacheFlushed, CacheReported, CacheScope
from sched.predict.prompt_sums import Prompt
from tests.factories import SimpleCluster, chain, make_dispatcher

A, B = chain(1, 320), chain(2, 320)


def held(belief: CacheBelief, blocks: Sequence[int] = A, now: float = 0.0) -> int:
    """Return how many tokens of a longer prompt are believed to be cached."""
    belief.pass_time(now)
    return belief.cached_tokens(blocks, 10_000)


def report(
    belief: CacheBelief, scope: CacheScope, added: Sequence[int] = (), removed: Sequence[int] = ()
) -> None:
    belief.report(CacheReported("r0", scope, added, removed))


def reporting(*blocks: int) -> CacheBelief:
    """Return the belief about a runtime that reported ``blocks``."""
    belief = CacheBelief(10_000)
    report(belief, CacheScope.ALL, blocks)
    return belief


def send(belief: CacheBelief, call_id: int, blocks: Sequence[int], now: float) -> None:
    """Send a call to a runtime that is decoding others, a step of 10 ms at a time."""
    prompt = Prompt(BLOCK_TOKENS * len(blocks), 0)
    belief.sent(call_id, blocks, prompt, now, idle=False, step_seconds=0.01)


def compute(belief: CacheBelief, call_id: int, blocks: Sequence[int], now: float) -> None:
    """Send a call and let its first token come at once."""
    send(belief, call_id, blocks, now)
    belief.first_token(call_id, now, step_seconds=0.01)


def test_reports_are_believed() -> None:
    """What is added is cached, what is removed is not."""
    belief = reporting(*A[:4])
    assert held(belief) == 128
    report(belief, CacheScope.CHANGES, added=A[4:6])
    assert held(belief) == 192
    report(belief, CacheScope.CHANGES, removed=A[3:6])
    assert held(belief) == 96
    report(belief, CacheScope.ALL, B)
    assert (held(belief, A), held(belief, B)) == (0, 320)


def test_changes_mean_nothing_before_a_report_of_everything() -> None:
    """A runtime that has told only changes is still guessed."""
    belief = CacheBelief(10_000)
    report(belief, CacheScope.CHANGES, added=A)
    assert held(belief) == 0
    assert belief.describe()["source"] == "guessed"


def test_capacity_is_no_limit_to_what_is_reported() -> None:
    """Only a guess is bound to the size of the cache."""
    belief = CacheBelief(64)
    report(belief, CacheScope.ALL, A)
    assert held(belief) == 320


def test_a_computed_prompt_is_believed_until_its_report_is_overdue() -> None:
    """From its first token on a prompt is cached; without a report it is not any more after two seconds."""
    belief = reporting()
    compute(belief, 1, A, 5.0)
    assert held(belief, A, 5.0 + 0.9 * UNREPORTED_SECONDS) == 320
    assert held(belief, A, 5.0 + UNREPORTED_SECONDS) == 0
    compute(belief, 2, A, 10.0)
    report(belief, CacheScope.CHANGES, added=A)
    assert held(belief, A, 99.0) == 320


def test_a_removal_counts_even_of_what_was_just_computed() -> None:
    """The report of an eviction is newer than the belief in one's own call."""
    belief = reporting()
    compute(belief, 1, A, 5.0)
    report(belief, CacheScope.CHANGES, removed=A[2:])
    assert held(belief, A, 5.0) == 64


def test_computing_again_renews_the_belief() -> None:
    """The time to a report runs from the latest computation; others keep their own."""
    belief = reporting()
    compute(belief, 1, A, 0.0)
    compute(belief, 2, B, 0.5)
    compute(belief, 3, A, 1.0)
    assert (held(belief, A, 2.5), held(belief, B, 2.5)) == (320, 0)


def test_an_output_is_cached_with_its_prompt() -> None:
    """What a finished call leaves is known before the report."""
    belief = reporting(*A[:5])
    belief.computed(A, 1.0)
    assert held(belief, A, 1.0) == 320


def test_simultaneous_siblings_share_nothing_but_what_is_in_computation() -> None:
    """Of prompts sent together to a busy runtime none helps the other; a later one finds them."""
    belief = reporting(*A[:2])
    send(belief, 1, A, 1.0)
    assert held(belief, A, 1.0) == 64
    send(belief, 2, A, 1.0)
    assert held(belief, A, 1.02) == 320
    belief.ended(1)
    belief.ended(2)
    assert held(belief, A, 1.02) == 64


def test_a_guess_keeps_the_latest_prompts_that_fit() -> None:
    """Without reports a computed prompt is believed to stay until others have filled the cache."""
    belief = CacheBelief(15 * BLOCK_TOKENS)
    compute(belief, 1, A, 0.0)
    assert held(belief, A, 1000.0) == 320
    compute(belief, 2, B, 1000.0)
    assert (held(belief, A), held(belief, B)) == (160, 320)


def test_an_emptied_cache_is_empty() -> None:
    """A flush counts for reported, computed and guessed blocks."""
    known, guessed = reporting(*A), CacheBelief(10_000)
    compute(known, 1, B, 0.0)
    compute(guessed, 1, B, 0.0)
    for belief in (known, guessed):
        belief.report(CacheFlushed("r0"))
        assert (held(belief, A), held(belief, B)) == (0, 0)
    assert known.describe()["source"] == "reported"


def test_a_runtime_that_can_not_tell_any_more_is_guessed_again() -> None:
    """What was reported is not used any more; what is computed from then on is."""
    belief = reporting(*A)
    report(belief, CacheScope.UNKNOWN)
    assert (held(belief), belief.describe()["source"]) == (0, "guessed")
    compute(belief, 1, B, 0.0)
    assert held(belief, B, 1000.0) == 320


def test_the_dispatcher_checks_its_predictions() -> None:
    """What was believed when a call was sent, not when it was placed, is compared with what was found."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=256))
    cluster.up("r0")
    cluster.feed(CacheReported("r0", CacheScope.ALL, A[:2]))
    cluster.workflow()
    cluster.call(1, prompt_tokens=320, blocks=A)
    assert cluster.call(2, prompt_tokens=330, blocks=B) == [], "it is held"
    cluster.feed(CacheReported("r0", CacheScope.CHANGES, added=B[:4]))
    [dispatch] = cluster.first_token(1, cached=60)
    assert isinstance(dispatch, Dispatch)
    assert dispatch.record.predicted_cached_tokens == 128
    cluster.first_token(2, cached=150)
    runtime = cluster.dispatcher.runtimes["r0"]
    assert runtime.cache.describe() == {"source": "reported", "tokens": 192}
    cached = runtime.outlook.cached.accuracy()
    assert (cached.predictions, cached.median, cached.p90) == (2, 4, 22)
    assert cached.p90_share == pytest.approx(22 / 330)


def test_a_lost_runtime_is_forgotten() -> None:
    """A runtime that comes back is guessed until it reports, and reports of unknown ones are dropped."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.feed(CacheReported("r0", CacheScope.ALL, A))
    cluster.lose("r0")
    assert cluster.feed(CacheReported("r0", CacheScope.ALL, A)) == []
    cluster.up("r0")
    assert cluster.dispatcher.runtimes["r0"].cache.describe()["source"] == "guessed"
