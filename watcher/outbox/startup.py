"""The start of the outbox: what it knows of when the daemon last ran becomes where each target stands now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.resumption import resume
from watcher.outbox.encoding import decode_standing, encode_standing
from watcher.outbox.flip_door import record_flips

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watcher.model.resumption import Resumption
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox

# The bound of what is kept of targets that are in the configuration no more: where names come and go all day.
FORGET_SECONDS = 30 * 86_400.0


def resume_from(outbox: Outbox, targets: Iterable[Target], location: str, now: float) -> Mapping[str, Standing]:
    """Take up again what the outbox knows, and note in it what has changed since; blocks.

    Args:
        outbox: to read and to write.
        targets: what is to be watched.
        location: where this replica stands.
        now: seconds since 1970.

    Returns:
        where each target stands that was checked before, by name.
    """
    former = outbox.meta("location")
    if former not in {None, location}:
        _take_up(outbox, (), former, now)  # nobody watches there any more
    return _take_up(outbox, targets, location, now)


def _take_up(outbox: Outbox, targets: Iterable[Target], location: str, now: float) -> Mapping[str, Standing]:
    past = {name: decode_standing(text) for name, text in outbox.standings(location).items()}
    alive_at = outbox.meta("alive_at")
    if not isinstance(alive_at, float | int) or not 0 <= alive_at <= now:
        alive_at = None  # never noted, or the clock was set back, or a damaged disk has made that of it
    resumption = resume(
        targets,
        past,
        location,
        alive_at=None if alive_at is None else datetime.fromtimestamp(alive_at, UTC),
        now=datetime.fromtimestamp(now, UTC),
    )
    note(outbox, resumption, location, now)
    return resumption.standings


def note(
    outbox: Outbox, resumption: Resumption, location: str, now: float, renamed: Mapping[str, str] | None = None
) -> None:
    """Write down what has changed; blocks.

    Args:
        outbox: to write.
        resumption: what has.
        location: where this replica stands.
        now: seconds since 1970.
        renamed: new names of those that are taken out, by their former names.
    """
    standings = [(location, name, encode_standing(resumption.standings[name])) for name in sorted(resumption.news)]
    record_flips(outbox, resumption.flips, now=now, standings=standings, renamed=renamed)
    # What was taken out is known for a while, so that its pause ends when it comes back.
    forgotten = [
        name
        for name in resumption.taken_out
        if (since := resumption.standings[name].since) is None or now - since.timestamp() > FORGET_SECONDS
    ]
    outbox.forget_standings(location, forgotten)


def standings_of(outbox: Outbox, names: Iterable[str], location: str) -> dict[str, Standing]:
    """Return where targets stand of which the outbox knows; blocks."""
    known = outbox.standings(location)
    return {name: decode_standing(known[name]) for name in names if name in known}
