"""The reports of late checks to the operator."""

import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import a_target, an_outcome
from watcher.model.load import complaint_about_workers
from watcher.recording.lateness import REPORT_SECONDS, report_lateness
from watcher.recording.recorder import LATE_SECONDS, Tally


async def test_a_line_a_minute_while_checks_are_late(autojump_clock: trio.testing.MockClock) -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_lateness, tally, lambda: 10)
            await trio.sleep(REPORT_SECONDS * 1.5)
            assert logs == []
            tally.count(an_outcome(lateness_seconds=LATE_SECONDS))
            await trio.sleep(REPORT_SECONDS)
            assert logs == []
            tally.count(an_outcome(lateness_seconds=LATE_SECONDS + 1, skipped_slots=3))
            await trio.sleep(REPORT_SECONDS * 3)
            nursery.cancel_scope.cancel()
    assert [(line["late"], line["skipped"]) for line in logs] == [(1, 3)]
    assert "MAX_WORKERS=10" in logs[0]["event"]
    assert tally.max_lateness_seconds == LATE_SECONDS + 1


def test_too_few_workers_for_the_worst_case_are_reported_with_the_numbers() -> None:
    # Each may hold a worker for 2 x 2 s + 1 s of every 10 s.
    targets = [a_target(str(number), timeout_seconds=2, interval_seconds=10, retries=1) for number in range(40)]
    assert complaint_about_workers(targets, 20) is None
    assert "need 20 workers, and MAX_WORKERS is 19" in (complaint_about_workers(targets, 19) or "")
