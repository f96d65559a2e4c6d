"""Real daemons at three places watch the same sites, and one of them decides where these stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.integration.fleet import BEAT_SECONDS, PATIENCE_SECONDS
from tests.integration.place_fleet import COMMAND, PLACES, PlaceFleet, open_places
from watcher.postgres.queries.places import living_places

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

GRACE_SECONDS = 4 * BEAT_SECONDS
URLS = [{"name": "Shop", "locations": list(PLACES)}, {"name": "Blog"}]


async def decider_of(fleet: PlaceFleet, name: str) -> str:
    """Return the place whose replica decides where a target stands."""
    query = """
        SELECT other.location FROM states JOIN members AS other ON other.replica = states.owner
        WHERE states.target = $1 AND states.location = '*' AND other.location <> '*'
    """
    rows: list[dict[str, str]] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while not rows:
            rows = await fleet.database.fetch(query, name)
    return rows[0]["location"]


async def test_a_site_is_down_when_enough_places_say_so(
    bridge: None, test_db: Database, db_config: str, tmp_path: Path
) -> None:
    async with open_places(tmp_path, test_db, db_config) as fleet:
        fleet.write(URLS)
        for place in PLACES:
            await fleet.at[place].start(COMMAND)
        await fleet.until_state("Shop", "up")
        fleet.sites.broken |= {("Shop", "sgp"), ("Blog", "sgp")}
        row = await fleet.until_state("Shop", "degraded")
        assert row["detail"].startswith("down at sgp only, up at fra and nyc")
        await fleet.until_state("Blog", "down", "sgp")  # of which each place has a row of its own
        fleet.sites.broken |= {("Shop", "fra")}
        row = await fleet.until_state("Shop", "down")
        assert row["detail"].startswith("down at fra and sgp of 3 places")
        killed = await decider_of(fleet, "Shop")
        await fleet.at[killed].kill()
        fleet.sites.broken.clear()
        await fleet.until_state("Shop", "up")
        assert await decider_of(fleet, "Shop") != killed
        await see_that_those_left_decide(fleet, killed)
        # Where two places find something at once, one of them is the first as a rule.
        told = [state for state in await fleet.flips("Shop") if state != "degraded"]
        assert told == ["up", "down", "up", "down"]
        assert await fleet.flips("Blog") == []


async def see_that_those_left_decide(fleet: PlaceFleet, gone: str) -> None:
    """See that a place counts no more once its grace is over, and that the detail says so."""
    with trio.fail_after(PATIENCE_SECONDS):
        while gone in (await living_places(fleet.database, GRACE_SECONDS))[1]:
            pass
    fleet.sites.broken |= {("Shop", place) for place in PLACES}
    row = await fleet.until_state("Shop", "down")
    assert row["detail"].endswith(f"{gone} has no replica")
