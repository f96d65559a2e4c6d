"""Outcomes to where they are kept."""

import trio

from tests.doubles import a_failure, an_outcome
from watcher.model.outcome import Outcome
from watcher.recording.lines import success_line
from watcher.recording.recorder import Tally, record


async def test_successes_and_failures_part_ways_and_are_counted() -> None:
    lines, failures, tally = list[str](), list[Outcome](), Tally()
    send, receive = trio.open_memory_channel[Outcome](10)
    success, failure = an_outcome(skipped_slots=2), a_failure(skipped_slots=1)
    for outcome in (success, failure, success):
        send.send_nowait(outcome)
    send.close()
    await record(receive, lines.append, failures.append, tally)
    assert lines == [success_line(success)] * 2
    assert failures == [failure]
    assert tally == Tally(successes=2, failures=1, skipped_slots=5)
