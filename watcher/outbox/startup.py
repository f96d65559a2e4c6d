"""Starts from the outbox: computes each target's present standing from its last one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.clock_trust import wall_seconds
from watcher.model.resumption import resume
from watcher.model.target import watched_at
from watcher.outbox.encoding import (
    RELEASE,
    decode_standing,
    encode_release,
    encode_standing,
    encode_standing_entry,
)
from watcher.outbox.flip_door import record_ended, record_flips
from watcher.outbox.shared_alerts import SCOPE, export_events

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from watcher.model.resumption import Resumption
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox

# How long standings of removed targets are kept, since names may come and go all day.
FORGET_SECONDS = 30 * 86_400.0
# The most names in one entry.
RELEASED_AT_ONCE = 1000
# The number of the last release, which is stored after all others.
_NOTE_RELEASE = """
INSERT OR REPLACE INTO meta SELECT 'last_release', seq FROM sqlite_sequence WHERE name = 'entries'
"""
_ANY_RELEASE = "SELECT 1 FROM entries WHERE id = (SELECT value FROM meta WHERE key = 'last_release')"


def resume_from(outbox: Outbox, targets: Sequence[Target], location: str, now: float) -> Mapping[str, Standing]:
    """Resume the standings of the outbox, and record in it what has changed since; blocks.

    Args:
        outbox: to read and to write.
        targets: all that are configured.
        location: of this replica.
        now: seconds since 1970.

    Returns:
        the standing of each target that was checked before, by name.
    """
    leave_former_location(outbox, location, now)
    elsewhere = frozenset(target.name for target in targets if not target.is_watched_at(location))
    return _take_up(outbox, watched_at(targets, location), location, now, elsewhere)


def leave_former_location(outbox: Outbox, location: str, now: float) -> None:
    """Pause the targets of this replica's former location, since it no longer watches there; blocks.

    Args:
        outbox: to read and to write.
        location: the present one of this replica.
        now: seconds since 1970.
    """
    former = outbox.meta("location")
    if former not in {None, location}:
        _take_up(outbox, (), former, now, elsewhere=outbox.standings(former))


def past_of(outbox: Outbox, location: str, now: float) -> tuple[dict[str, Standing], datetime | None]:
    """Return the outbox's knowledge from when the daemon last ran; blocks.

    Args:
        outbox: to read.
        location: of the targets.
        now: seconds since 1970.

    Returns:
        the standings of targets, by name, and until when the daemon is known to have watched; None if unknown.
    """
    standings = {name: decode_standing(text) for name, text in outbox.standings(location).items()}
    alive_at = outbox.meta("alive_at")
    # Never recorded, or the clock was set back, or a damaged disk has changed it.
    if not isinstance(alive_at, float | int) or not 0 <= alive_at <= now:
        return standings, None
    return standings, datetime.fromtimestamp(alive_at, UTC)


def _take_up(
    outbox: Outbox, targets: Iterable[Target], location: str, now: float, elsewhere: Collection[str]
) -> Mapping[str, Standing]:
    past, alive_at = past_of(outbox, location, now)
    moment = datetime.fromtimestamp(now, UTC)
    resumption = resume(targets, past, location, alive_at=alive_at, now=moment, elsewhere=elsewhere)
    note(outbox, resumption, location, now)
    return resumption.standings


def note(
    outbox: Outbox, resumption: Resumption, location: str, now: float, renamed: Mapping[str, str] | None = None
) -> None:
    """Record a resumption; blocks.

    Args:
        outbox: to write.
        resumption: the changes.
        location: of this replica.
        now: seconds since 1970.
        renamed: new names of removed targets, by the former ones.
    """
    if resumption.ended:
        record_ended(outbox, resumption.ended, now)
    news = [(name, resumption.standings[name]) for name in sorted(resumption.news)]
    told = [pair for pair in news if outbox.shares and pair[0] not in resumption.shared]
    record_flips(
        outbox,
        resumption.flips,
        now=now,
        beside=[encode_standing_entry(name, location, standing) for name, standing in told],
        standings=[(location, name, encode_standing(standing)) for name, standing in news],
        renamed=renamed,
    )
    # A removed target is kept for a while, so that its pause ends when it comes back.
    forgotten = [
        name
        for name in resumption.taken_out
        if (since := resumption.standings[name].since) is None or now - since.timestamp() > FORGET_SECONDS
    ]
    outbox.forget_standings(location, forgotten)


def release(
    outbox: Outbox, names: Sequence[str], location: str, now: float, checked_until: float | None = None
) -> None:
    """Release targets to other replicas, once PostgreSQL has everything that came before; blocks.

    Args:
        outbox: to write.
        names: of targets that are no longer checked here, and whose results have all been written.
        location: of this replica.
        now: until when they were watched here, in seconds since 1970.
        checked_until: the last slot in which all of them were checked here, in seconds since 1970; None for the last
            one of any check.
    """
    until = outbox.meta("slots_until") if checked_until is None else checked_until
    slots_until = datetime.fromtimestamp(until, UTC) if isinstance(until, float | int) else None
    moment = datetime.fromtimestamp(now, UTC)
    pieces = (names[first : first + RELEASED_AT_ONCE] for first in range(0, len(names), RELEASED_AT_ONCE))
    # First, since events after a release are another replica's; to the location that shares the channels.
    export_events(outbox, shared_at if isinstance(shared_at := outbox.meta(SCOPE), str) else location, now)
    entries = [encode_release(some, location, moment, slots_until) for some in pieces]
    outbox.put(entries, now=now, alongside=lambda database: database.execute(_NOTE_RELEASE))


def state_anew(outbox: Outbox, names: Iterable[str], location: str) -> None:
    """Write the standings of targets to PostgreSQL again; blocks.

    Args:
        outbox: to read and to write.
        names: of targets that are checked here.
        location: of this replica.
    """
    standings = standings_of(outbox, names, location)
    entries = [encode_standing_entry(name, location, one) for name, one in standings.items()]
    record_flips(outbox, (), now=wall_seconds(), beside=entries)


def waiting_releases(outbox: Outbox, location: str) -> set[str]:
    """Return the names of targets whose release is not stored in PostgreSQL yet."""
    if not outbox.read(_ANY_RELEASE):  # otherwise up to a million entries would have to be searched
        return set()
    rows = outbox.read("SELECT payload FROM entries WHERE kind = ?", RELEASE)
    released = (json.loads(payload) for (payload,) in rows)
    return {name for row in released if row["location"] == location for name in row["targets"]}


def last_entry(outbox: Outbox) -> int:
    """Return the number of the newest entry ever written."""
    number: int = outbox.read("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")[0][0]
    return number


def standings_of(outbox: Outbox, names: Iterable[str], location: str) -> dict[str, Standing]:
    """Return the standings of targets that the outbox knows; blocks."""
    return {name: decode_standing(text) for name, text in outbox.standings(location, names).items()}
