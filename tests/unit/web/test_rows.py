"""The cached past of rows: kept for its time, and only while nothing happens."""

from __future__ import annotations

from tests.doubles import a_target
from watcher.model.state import State
from watcher.web.pages.glance import Row
from watcher.web.pages.rows import KEPT_SECONDS, MAX_KEPT, NO_PAST, RowHistories
from watcher.web.sites import Sites


def rows_of(numbers: range, state: State = State.UP) -> list[Row]:
    sites = Sites.of([a_target(f"site {number}") for number in numbers], public=False)
    return [Row(site, state, None) for site in sites.all]


def test_cached_rows_are_valid_for_a_time_and_until_a_state_changes() -> None:
    histories, rows = RowHistories(), rows_of(range(2))
    nothing = NO_PAST
    assert histories.known(rows, 100.0) == {}
    histories.keep({"site 0": nothing}, rows, 100.0)
    assert histories.known(rows, 99.9 + KEPT_SECONDS) == {"site 0": nothing}
    assert histories.known(rows, 100.0 + KEPT_SECONDS) == {}
    assert histories.known(rows_of(range(2), State.DOWN), 100.0) == {}
    combined = [one._replace(is_combined=True) for one in rows]
    assert histories.known(combined, 100.0) == {}, "the history of all places is another than that of this one"
    many = rows_of(range(1, MAX_KEPT + 1))
    histories.keep({one.site.target: nothing for one in many}, many, 100.0)
    assert len(histories.known([*rows, *many], 100.0)) == MAX_KEPT
    assert histories.known(rows[:1], 100.0) == {}, "the oldest has made room"
