"""Warns the operator when checks start late, which only more workers or fewer targets fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.recording.recorder import LATE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.recording.recorder import Tally

log = structlog.get_logger()

REPORT_SECONDS = 60.0


async def report_lateness(tally: Tally, max_workers: Callable[[], int]) -> NoReturn:
    """Log one line a minute while checks start late, until cancelled.

    Args:
        tally: the counts of recorded checks.
        max_workers: returns the present number of workers; named in the line, since it is the setting to raise.
    """
    late_before, skipped_before = tally.late_checks, tally.skipped_slots
    while True:
        await trio.sleep(REPORT_SECONDS)
        late, skipped = tally.late_checks - late_before, tally.skipped_slots - skipped_before
        if late or skipped:
            text = f"checks start more than {LATE_SECONDS:g} s late or are skipped; raise MAX_WORKERS={max_workers()}"
            log.warning(text, late=late, skipped=skipped, seconds=int(REPORT_SECONDS))
        late_before, skipped_before = tally.late_checks, tally.skipped_slots
