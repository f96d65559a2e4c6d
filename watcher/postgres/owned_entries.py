"""Stores the entries whose target has an owner: flips, standings and releases of a batch.

Only the owner of a target writes its state. Flips of a former owner come late, and belong in the past. All functions
are asyncio-flavoured, and run in the transaction of the batch.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.model.clock_trust import utc_now
from watcher.model.late_flips import Link, splice
from watcher.outbox.encoding import joined
from watcher.postgres.server_encoding import fitting_json
from watcher.postgres.tables.flips import CHAINS, DROP_CLOSINGS, INSERT_LATE, LINK_ANEW
from watcher.postgres.tables.ownership import LOCK_OWNED, RELEASE_TARGETS, UPDATE_STANDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.postgres.bridge import Connection

# A clock that differs from the server's by more is wrong; its times are then shifted to the server's clock.
CLOCK_DIFFERENCE = timedelta(minutes=1)


class Numbered(NamedTuple):
    """An entry of the outbox: its number and its text."""

    number: int
    payload: str


class Late(NamedTuple):
    """A flip that came late: its content, and when another replica took its target over; None if that is not needed."""

    row: dict[str, Any]
    until: datetime | None


async def lock_and_sort_out(
    connection: Connection, outbox: uuid.UUID, flips: Sequence[Numbered], others: Sequence[Numbered]
) -> tuple[list[str], list[Late]]:
    """Lock the rows of all targets of some entries, and separate the late flips from the others.

    Args:
        connection: in the transaction that stores them.
        outbox: the id of the outbox of the entries.
        flips: may be late.
        others: standings and releases.

    Returns:
        the texts of the flips that the owner wrote, and the late flips.
    """
    encoding = connection.get_settings().server_encoding
    texts, _ = texts_and_numbers(connection, (*flips, *others))
    rows = await connection.fetch(LOCK_OWNED, texts, str(outbox))
    owned = {(row["target"], row["location"]): row for row in rows}
    owners, late = list[str](), list[Late]()
    for number, payload in flips:
        flip = json.loads(fitting_json(payload, encoding))
        row = owned.get((flip.get("target"), flip.get("location")))
        if row is None or not _is_late(row, outbox, number, flip):
            owners.append(payload)
        else:
            late.append(Late(flip, row["former_until"]))
    return owners, late


def _is_late(row: Any, outbox: uuid.UUID, number: int, flip: Mapping[str, Any]) -> bool:
    """Return whether an entry is from a time when another replica had the target."""
    moment = _on_the_servers_clock(flip, row["now"])
    if row["owner"] != outbox:
        # The new owner may have released the target by now. If it is gone, the replica that now checks knows most.
        is_of_the_past = row["former_until"] is not None and moment <= row["former_until"]
        return bool(row["owner"] is not None and row["lease_lasts"]) or is_of_the_past
    if number > (row["owned_from"] or 0) or row["others_until"] is None:
        return False
    # This replica may have checked the target before it could claim it, and after all others.
    return bool(moment <= row["others_until"])


def _on_the_servers_clock(flip: Mapping[str, Any], now: datetime) -> datetime:
    """Return when the state of a flip began, corrected if the clock that dated it is wrong."""
    offset = now - utc_now()
    moment = datetime.fromisoformat(flip["at"])
    return moment if abs(offset) < CLOCK_DIFFERENCE else moment + offset


async def store_standings(connection: Connection, outbox: uuid.UUID, standings: Sequence[Numbered]) -> None:
    """Write the standings of targets that this outbox owns."""
    await connection.execute(UPDATE_STANDINGS, *texts_and_numbers(connection, standings), outbox)


async def store_releases(connection: Connection, outbox: uuid.UUID, releases: Sequence[Numbered]) -> None:
    """Release targets that this outbox owns."""
    encoding, now = connection.get_settings().server_encoding, utc_now()
    for number, payload in releases:
        await connection.execute(RELEASE_TARGETS, fitting_json(payload, encoding), number, outbox, now)


def texts_and_numbers(connection: Connection, entries: Sequence[Numbered]) -> tuple[str, list[int]]:
    """Return the texts of entries, `joined` and escaped for the database's encoding, and their numbers."""
    encoding = connection.get_settings().server_encoding
    return fitting_json(joined(payload for _, payload in entries), encoding), [number for number, _ in entries]


async def place_late(connection: Connection, late: Sequence[Late]) -> int:
    """Insert late flips at their place in the history; `states` stays as it is.

    Returns:
        how many were left out, because another replica owned the target then or saw the flip as well.
    """
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    by_place: defaultdict[tuple[str, str], list[Late]] = defaultdict(list)
    for one in late:
        if one.until is not None:
            by_place[one.row["target"], one.row["location"]].append(one)
    links = {place: [_link(one.row, now) for one in of_one] for place, of_one in by_place.items()}
    firsts = [min(link.at for link in of_one) for of_one in links.values()]
    targets, locations = [place[0] for place in links], [place[1] for place in links]
    history: defaultdict[tuple[str, str], list[Link]] = defaultdict(list)
    for row in await connection.fetch(CHAINS, targets, locations, firsts):
        history[row["target"], row["location"]].append(Link(row["id"], row["at"], row["state"], row["before"]))
    rows, before, drop = list[str](), dict[uuid.UUID, str](), list[uuid.UUID]()
    for place, of_one in by_place.items():
        assert of_one[0].until is not None
        found = splice(*place, history[place], links[place], of_one[0].until)
        known = {one.row["id"]: one.row for one in of_one}
        rows += [_row_of(link, place, known.get(str(link.id))) for link in found.insert]
        before |= found.before
        drop += found.drop
    await connection.execute(DROP_CLOSINGS, drop)
    await connection.execute(LINK_ANEW, list(before), list(before.values()))
    encoding = connection.get_settings().server_encoding
    await connection.execute(INSERT_LATE, fitting_json(joined(rows), encoding))
    return len(late) - len({row["id"] for row in map(json.loads, rows)} & {one.row["id"] for one in late})


def _link(row: Mapping[str, Any], now: datetime) -> Link:
    return Link(uuid.UUID(row["id"]), _on_the_servers_clock(row, now), row["state"], row["before"])


def _row_of(link: Link, place: tuple[str, str], row: Mapping[str, Any] | None) -> str:
    """Return the text of a flip with its new place; a flip that closes others is returned whole."""
    at = link.at.isoformat()
    found = {"id": str(link.id), "target": place[0], "location": place[1], "confirmed_at": at, **(row or {})}
    return json.dumps({**found, "at": at, "state": link.state, "before": link.before}, ensure_ascii=False)
