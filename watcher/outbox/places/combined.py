"""Keeps one incident for all places of a target, at the location `*`; every call blocks.

When a target gets or loses `locations`, its open incident ends like that of a removed target. The next incident starts
at the other location.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.alerting.policy.encoding import decode_incident, encode_incident
from watcher.alerting.policy.event import AlertEvent, Change, Incident
from watcher.alerting.policy.incidents import follow
from watcher.alerting.policy.records.json_values import flip_from_json
from watcher.model.alerts.rows import UnreadableRowError, reading
from watcher.model.places import COMBINED
from watcher.model.resumption import TAKEN_OUT, left_by
from watcher.model.state import Flip, State
from watcher.outbox.alerts import FlipsFollowed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watcher.model.outcome import Fault
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox

_INCIDENTS = "SELECT location, target, payload FROM incidents ORDER BY location, target"
_INCIDENT = "SELECT payload FROM incidents WHERE location = ? AND target = ?"
_END_INCIDENT = "DELETE FROM incidents WHERE location = ? AND target = ?"
_SET_INCIDENT = "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)"
_NOTE = "INSERT OR REPLACE INTO meta VALUES ('combined_targets', ?)"  # the names of the last configuration
_NEWEST_FLIP = "SELECT payload FROM newest_flips WHERE location = ? AND target = ?"


def use_combined(
    outbox: Outbox, targets: Mapping[str, Target], location: str, now: float, renamed: Mapping[str, str] | None = None
) -> None:
    """Set which targets several places watch, before the first flip by that configuration, and move their incidents.

    The names are kept in the outbox: `locations` may also be removed while the daemon is stopped.

    Args:
        outbox: whose incidents follow its flips.
        targets: all configured targets, by name. From now on, flips of one place make no incident of a target with
            `locations`.
        location: of this replica.
        now: seconds since 1970.
        renamed: new names of targets, by the former ones.
    """
    moment, before = datetime.fromtimestamp(now, UTC), _noted_in(outbox)
    outbox.combined_targets = names = frozenset(name for name, target in targets.items() if target.locations)
    opened = {(place, name): payload for place, name, payload in outbox.read(_INCIDENTS)}
    renamed = renamed or {}
    # Combined incidents that go on under a new name.
    going_on = {old: new for old, new in renamed.items() if new in names and (COMBINED, old) in opened}
    # Incidents at a location where the target no longer has any: at one place, or at `*`.
    misplaced = [
        (place, name) for place, name in opened if (place == COMBINED) is not (renamed.get(name, name) in names)
    ]
    # Targets that lost `locations`, and may have an incident at this place.
    apart = [name for name in sorted(before - names) if name in targets and (location, name) not in opened]
    if not (misplaced or apart or going_on or names != before):
        return
    events = list[AlertEvent]()
    changes: list[tuple[str, tuple[str, ...]]] = [(_NOTE, (json.dumps(sorted(names)),))]
    for place, name in misplaced:
        changes.append((_END_INCIDENT, (place, name)))
        with suppress(UnreadableRowError):
            cause = left_by(place) if name in targets else TAKEN_OUT
            events.append(_ended(decode_incident(opened[place, name]), State.PAUSED, moment, cause))
    for old, new in going_on.items():
        with suppress(UnreadableRowError):
            open_now = replace(decode_incident(opened[COMBINED, old]), target=new)
            changes.append((_SET_INCIDENT, (COMBINED, new, encode_incident(open_now))))
            events.append(AlertEvent(0, Change.RENAMED, moment, open_now, None, old, COMBINED))
        changes.append((_END_INCIDENT, (COMBINED, old)))
    for name in apart:
        incident = _incident_of_newest_flip(outbox, location, name)
        if incident is not None:
            changes.append((_SET_INCIDENT, (location, name, encode_incident(incident))))
            events.append(AlertEvent(0, Change.OPENED, moment, incident, incident.flip, name, location))
    _write(outbox, events, changes, now)


def open_alone(outbox: Outbox, flips: Sequence[Flip], now: float) -> None:
    """Open and end incidents by flips that this replica decided alone, though another replica owns the targets.

    The flips are for alerts only. They are not stored: the owner decides on its own flips.

    Args:
        outbox: of a replica without PostgreSQL.
        flips: at the location `*`.
        now: seconds since 1970.
    """
    followed = FlipsFollowed(flips)
    outbox.put((), now=now, alongside=followed.write)
    followed.tell(outbox)


def end_alone(outbox: Outbox, targets: Iterable[str], is_over: Callable[[str], bool], now: float) -> None:
    """Drop the incidents that this replica opened alone while PostgreSQL was away.

    Args:
        outbox: of a replica that has PostgreSQL again.
        targets: the names of targets that another replica owns.
        is_over: returns whether the incident of a target is over: then channels get its end.
        now: seconds since 1970.
    """
    moment = datetime.fromtimestamp(now, UTC)
    events = list[AlertEvent]()
    changes = list[tuple[str, tuple[str, ...]]]()
    for name in targets:
        for (payload,) in outbox.read(_INCIDENT, COMBINED, name):
            changes.append((_END_INCIDENT, (COMBINED, name)))
            with suppress(UnreadableRowError):
                incident = decode_incident(payload)
                if is_over(name):
                    events.append(_ended(incident, State.UP, moment))
    if changes:
        _write(outbox, events, changes, now)


def _ended(incident: Incident, state: State, now: datetime, cause: Fault | None = None) -> AlertEvent:
    """Return the end of an incident that no flip of its target ends. The flip made here has no number."""
    flip = Flip(incident.target, incident.location, now, now, state, incident.trouble, cause)
    return AlertEvent(0, Change.CLOSED, now, incident, flip, incident.target, incident.location)


def _noted_in(outbox: Outbox) -> frozenset[str]:
    """Return the names of the last configuration; none if a damaged disk has changed them."""
    noted = outbox.meta("combined_targets")
    with suppress(ValueError):
        names = json.loads(noted) if isinstance(noted, str) else []
        return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    return frozenset()


def _incident_of_newest_flip(outbox: Outbox, location: str, target: str) -> Incident | None:
    """Return the incident that the newest flip of a target at a place opens; None where it opens none."""
    for (payload,) in outbox.read(_NEWEST_FLIP, location, target):
        with suppress(UnreadableRowError), reading("a flip"):
            return follow(None, flip_from_json(json.loads(payload)))[0]
    return None


def _write(outbox: Outbox, events: list[AlertEvent], changes: list[tuple[str, tuple[str, ...]]], now: float) -> None:
    """Write events and changes of incidents, which are statements with their arguments, in one transaction."""
    followed = FlipsFollowed((), beside=events)

    def write(database: sqlite3.Connection) -> None:
        for text, arguments in changes:
            database.execute(text, arguments)
        followed.write(database)

    outbox.put((), now=now, alongside=write)
    followed.tell(outbox)
