"""The present state of each target: the query and its JSON form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.postgres.queries.states_and_flips import alive_at_by_location, moment_of, present_states
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from watcher.history.present_state import Present
    from watcher.postgres.db import Database


async def read_status(database: Database) -> list[Present]:
    """Read the present state of each watched target, by name.

    This is a trio-flavoured function.

    Args:
        database: with its tables.

    Returns:
        a state for each target and location; unknown where no daemon has watched it for a while.
    """
    alive_at = await alive_at_by_location(database)
    presents = await present_states(database)
    now = await moment_of(database)  # the clock by which `alive_at` was written
    return [_shown(present).as_known(alive_at=alive_at.get(present.location), now=now) for present in presents]


def _shown(present: Present) -> Present:
    """Remove the detail of a combined state that is up: it names places without an answer when the state started."""
    is_well = present.location == COMBINED and present.state is State.UP
    return replace(present, reason=None, detail=None) if is_well else present


def present_as_json(present: Present) -> dict[str, Any]:
    """Return the JSON object of a target and its present state."""
    return {
        "target": present.target,
        "location": present.location,
        "address": present.address,
        "group": present.group,
        "state": str(present.state),
        "since": None if present.since is None else timestamp(present.since),
        "reason": present.reason,
        "detail": present.detail,
    }
