"""Passes conclusions to where they are stored."""

import trio
import trio.testing

from tests.doubles import a_failure, an_outcome
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Reason
from watcher.model.state import NEVER_CHECKED
from watcher.recording.board import Board
from watcher.recording.lines import Lines, success_line
from watcher.recording.recorder import GATHER_SECONDS, Tally, record


async def test_all_is_kept_and_counted_and_successes_become_lines() -> None:
    lines, kept, tally = list[str](), list[Conclusion](), Tally()
    send, receive = trio.open_memory_channel[Conclusion](10)
    success, failure = Conclusion(an_outcome(skipped_slots=2)), Conclusion(a_failure(skipped_slots=1))
    board = Board()
    board.place({success.outcome.target: NEVER_CHECKED})
    for conclusion in (success, failure, success):
        send.send_nowait(conclusion)
    send.close()
    await record(receive, lines.append, kept.append, board, tally, Lines())
    assert lines == [success_line(success.outcome)] * 2
    assert kept == [success, failure, success]
    assert [latest.ok for latest in board] == [True]
    assert tally.as_fields() == Tally(successes=2, failures=1, skipped_slots=5).as_fields()
    assert tally.lateness.cumulative()[-1] == tally.duration.cumulative()[-1] == 3
    assert sum(tally.successes_of.values()) == 2
    assert [dict(failures) for failures in tally.failures_of.values()] == [{Reason.STATUS: 1}]
    tally.forget([*tally.successes_of, *tally.failures_of])
    assert (tally.successes_of, tally.failures_of) == ({}, {})


async def test_conclusions_of_one_moment_are_recorded_together(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    kept_at = list[float]()
    send, receive = trio.open_memory_channel[Conclusion](100)
    lines = list[str]()
    nursery.start_soon(
        record, receive, lines.append, lambda _one: kept_at.append(trio.current_time()), Board(), Tally(), Lines()
    )
    for _ in range(20):
        send.send_nowait(Conclusion(an_outcome()))
        await trio.sleep(GATHER_SECONDS / 10)
    await trio.sleep(1)
    assert len(kept_at) == 20
    assert len(set(kept_at)) <= 4
    send.close()
