"""Formats numbers, times and sentences for the pages; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from watcher.history.present_state import STALE_AFTER
from watcher.model.state import State
from watcher.model.wording import duration
from watcher.text.escaping import one_line
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from watcher.history.uptime import Uptime

MAX_TEXT_CHARS = 500
DAY_SECONDS = 86_400
LEAST_DAYS = 2  # shorter distances are shown in hours and minutes
CERTIFICATE_IS_NEAR = timedelta(days=14)
DASH = "\N{EN DASH}"

# In the order in which a sentence counts them.
COUNTED = {
    State.DOWN: "down",
    State.DEGRADED: "degraded",
    State.UNKNOWN: "not known",
    State.PENDING: "pending",
    State.MAINTENANCE: "in maintenance",
    State.PAUSED: "paused",
    State.UP: "up",
}
_OF_ONE = {
    State.PENDING: "The first checks of the site are under way",
    State.UNKNOWN: "It is not known whether the site is up",
    State.MAINTENANCE: "The site is in maintenance",
}


def safe(text: object) -> str:
    """Escape a text of a site or of the configuration for one line; templates escape it for HTML."""
    return one_line(str(text), MAX_TEXT_CHARS)


def sites(count: int) -> str:
    """Format a number of sites: `1 site` or `10,000 sites`."""
    return f"{count:,} {'site' if count == 1 else 'sites'}"


def percent(uptime: Uptime) -> str:
    """Format an uptime as `watcher report` does, rounded down; a dash without data."""
    value = uptime.percent()
    if value is None:
        return DASH
    return "100 %" if value == 100 else f"{value:.3f} %"


def losses(uptime: Uptime) -> str:
    """List the times not up, as in `down 12m, unknown 1h 3m`; empty for none but the last seconds."""
    told = []
    for state in (State.DOWN, State.DEGRADED, State.MAINTENANCE, State.PAUSED, State.UNKNOWN):
        length = uptime.lengths[state]
        if length > (STALE_AFTER if state is State.UNKNOWN else type(length)()):
            told.append(f"{state} {duration(length.total_seconds())}")
    return ", ".join(told)


def milliseconds(value: float | None) -> str:
    """Format a duration in whole milliseconds, as in `1,630 ms`; one decimal below 10."""
    if value is None:
        return DASH
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def seconds(value: float | None) -> str:
    """Format a duration given in seconds."""
    return milliseconds(None if value is None else value * 1000)


def moment(at: datetime | None, style: str = "full") -> Markup:
    """Format a moment as an element with the exact UTC time; a script shows it in the reader's zone.

    Args:
        at: with a time zone; None for a dash.
        style: `time` omits the date, `day` the time.
    """
    if at is None:
        return Markup.escape(DASH)
    exact = timestamp(at)
    shown = {"time": f"{exact[11:19]} UTC", "day": exact[:10]}.get(style, f"{exact[:10]} {exact[11:19]} UTC")
    return Markup('<time datetime="{0}" title="{0}" data-style="{1}">{2}</time>').format(exact, style, shown)


def distance(at: datetime, now: datetime) -> str:
    """Format the distance to a moment, as in `in 23 days`, `in 5h 3m` or `2 days ago`."""
    seconds_left = (at - now).total_seconds()
    days = int(abs(seconds_left) // DAY_SECONDS)
    length = duration(abs(seconds_left)) if days < LEAST_DAYS else f"{days:,} days"
    return f"in {length}" if seconds_left >= 0 else f"{length} ago"


def certificate(ends_at: datetime, now: datetime) -> tuple[str, State]:
    """Return the distance to the end of a certificate, and the state that it corresponds to.

    Args:
        ends_at: the first end in its chain.
        now: in UTC.
    """
    state = State.DOWN if ends_at <= now else State.DEGRADED if ends_at - now < CERTIFICATE_IS_NEAR else State.UP
    return distance(ends_at, now), state


def next_check(started_at: datetime | None, interval_seconds: float, state: State, now: datetime) -> Markup | None:
    """Format the time of a site's next check; None if it is unknown, or the site is not checked.

    Args:
        started_at: of its newest check.
        interval_seconds: between two checks.
        state: of the site.
        now: in UTC.
    """
    if started_at is None or state is State.PAUSED:
        return None
    at = max(started_at + timedelta(seconds=interval_seconds), now)
    exact = timestamp(at)
    return Markup('<time datetime="{0}" title="{0}" data-style="time" data-every="{1:g}">{2} UTC</time>').format(
        exact, interval_seconds, exact[11:19]
    )


def since(at: datetime | None, now: datetime) -> str:
    """Format the time since a moment."""
    return DASH if at is None else duration(max(0.0, (now - at).total_seconds()))


def verdict(counts: Mapping[State, int]) -> tuple[str, State]:
    """Summarise all sites in a sentence, and return the state that it means.

    Args:
        counts: the number of sites in each state.
    """
    total, down, degraded, up, pending, unknown = (
        sum(counts.values()),
        *(counts.get(state, 0) for state in (State.DOWN, State.DEGRADED, State.UP, State.PENDING, State.UNKNOWN)),
    )
    if not total:
        return "No sites are watched", State.UNKNOWN
    if total == 1:
        state = next(state for state, count in counts.items() if count)
        return _OF_ONE.get(state, f"The site is {state}"), state
    if down:
        return f"{down:,} of {sites(total)} {'is' if down == 1 else 'are'} down", State.DOWN
    if degraded:
        return f"No site is down, {degraded:,} of {total:,} {'is' if degraded == 1 else 'are'} degraded", State.DEGRADED
    if up == total:
        return f"All {sites(total)} are up", State.UP
    if pending and not up + unknown:
        return f"The first checks of {sites(pending)} are under way", State.UNKNOWN
    if pending + unknown and not up:
        return f"It is not known whether {sites(pending + unknown)} are up", State.UNKNOWN
    if pending + unknown:
        return f"{up:,} of {sites(total)} {'is' if up == 1 else 'are'} known to be up", State.UNKNOWN
    if not up:
        return "No site is checked at present", State.UNKNOWN
    return ("The one site that is checked is up" if up == 1 else f"All {sites(up)} that are checked are up"), State.UP


def counted(counts: Mapping[State, int], *, without: State | None = None) -> str:
    """List the counts of states, as in `44 up, 1 in maintenance`."""
    told = [(state, word) for state, word in COUNTED.items() if counts.get(state) and state is not without]
    return ", ".join(f"{counts[state]:,} {word}" for state, word in told)
