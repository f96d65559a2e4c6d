"""Real daemons at three places watch the same sites, and one of them decides the combined state of each."""

from __future__ import annotations

import signal
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.replicas.fleet import BEAT_SECONDS, PATIENCE_SECONDS
from tests.integration.replicas.place_fleet import COMMAND, PLACES, PlaceFleet, open_places
from watcher.postgres.queries.places import ages_of_places

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

GRACE_SECONDS = 4 * BEAT_SECONDS
URLS: list[dict[str, Any]] = [{"name": "Shop", "locations": list(PLACES)}, {"name": "Blog"}]


async def decider_of(fleet: PlaceFleet, name: str) -> str:
    """Return the place whose replica decides the combined state of a target."""
    query = """
        SELECT other.location FROM states JOIN members AS other ON other.replica = states.owner
        WHERE states.target = $1 AND states.location = '*' AND other.location <> '*'
    """
    rows: list[dict[str, str]] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while not rows:
            rows = await fleet.database.fetch(query, name)
    return rows[0]["location"]


@pytest.mark.slow
async def test_a_site_is_down_when_enough_places_say_so(
    bridge: None, test_db: Database, db_config: str, tmp_path: Path
) -> None:
    async with open_places(tmp_path, test_db, db_config) as fleet:
        fleet.write(URLS)
        for place in PLACES:
            await fleet.at[place].start(COMMAND)
        await fleet.until_state("Shop", "up")
        for place in PLACES:  # the first place that is up is enough for the combined state
            await fleet.until_state("Shop", "up", place)
        fleet.sites.broken |= {("Shop", "sgp"), ("Blog", "sgp")}
        row = await fleet.until_state("Shop", "degraded")
        assert row["detail"].startswith("down at sgp only, up at fra and nyc")
        await fleet.until_state("Blog", "down", "sgp")  # without `locations`, it has a row for each place
        fleet.sites.broken |= {("Shop", "fra")}
        row = await fleet.until_state("Shop", "down")
        assert row["detail"].startswith("down at fra and sgp of 3 places")
        for broken, detail in (
            (fleet.sites.broken | {("Shop", "nyc")}, "down at fra, nyc and sgp: "),
            (fleet.sites.broken.copy(), "down at fra and sgp of 3 places"),
        ):
            fleet.sites.broken = broken
            await fleet.until_detail("Shop", detail)  # without a flip
        # The same views result in another state, and a running target has several places for the first time.
        fleet.write([{**URLS[0], "quorum": 3}, {**URLS[1], "locations": list(PLACES)}])
        await fleet.until_state("Shop", "degraded")
        await fleet.until_state("Blog", "degraded")
        await see_that_another_decides_while_the_decider_is_frozen(fleet)
        killed = await decider_of(fleet, "Shop")
        await fleet.at[killed].kill()
        fleet.sites.broken = {("Shop", next(place for place in PLACES if place != killed))}
        await fleet.until_state("Shop", "degraded")
        assert await decider_of(fleet, "Shop") != killed
        await see_that_those_left_decide(fleet, killed)
        left = [place for place in PLACES if place != killed]
        await see_that_a_place_goes_on_while_another_is_cut_off(fleet, *left)
        await see_that_each_decides_alone_while_postgresql_is_away(fleet, left)
        await see_that_others_decide_as_soon_as_the_decider_has_stopped(fleet, left)
        first, second, third, *others = await fleet.flips("Shop")
        assert (first, second, third) == ("up", "degraded", "down")
        # Places do not change at the same moment: between up and down it may be degraded.
        states = [state for state, _ in groupby(state for state in others if state != "degraded")]
        assert states == ["up", "down", "up", "paused"]
        first, *_, last = await fleet.flips("Blog")
        assert (first, last) == ("degraded", "paused"), "it was down at one place when it got `locations`"


async def see_that_another_decides_while_the_decider_is_frozen(fleet: PlaceFleet) -> None:
    """See that the last view of a frozen place does not count for long, and that the place is back once it thaws."""
    frozen = await decider_of(fleet, "Shop")
    fleet.at[frozen].signal(signal.SIGSTOP)
    fleet.sites.broken.clear()
    await fleet.until_state("Shop", "up")
    assert await decider_of(fleet, "Shop") != frozen
    fleet.at[frozen].signal(signal.SIGCONT)
    await fleet.until_state("Shop", "up", frozen)
    with trio.fail_after(PATIENCE_SECONDS):
        while (await ages_of_places(fleet.database))[1][frozen].heard > BEAT_SECONDS:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def see_that_a_place_goes_on_while_another_is_cut_off(fleet: PlaceFleet, cut: str, other: str) -> None:
    """See that the view of a place without PostgreSQL does not count, whether it has decided until then or not."""
    await fleet.at[cut].cut()
    fleet.sites.broken -= {("Shop", other)}
    await fleet.until_state("Shop", "up")
    assert await decider_of(fleet, "Shop") == other


async def see_that_those_left_decide(fleet: PlaceFleet, gone: str) -> None:
    """Assert that a place no longer counts once its grace is over, and that the detail says so."""
    with trio.fail_after(PATIENCE_SECONDS):
        while (await ages_of_places(fleet.database))[1][gone].heard <= GRACE_SECONDS:  # noqa: ASYNC110
            await trio.sleep(0.1)
    fleet.sites.broken |= {("Shop", place) for place in PLACES}
    row = await fleet.until_state("Shop", "down")
    assert row["detail"].endswith(f"{gone} has no replica")


async def see_that_each_decides_alone_while_postgresql_is_away(fleet: PlaceFleet, left: list[str]) -> None:
    """Assert that each place decides by its own checks alone, and that all places decide together again afterwards."""
    daemons = {place: fleet.at[place].daemon for place in left}
    await fleet.at[left[1]].cut()  # the other one is cut off already
    fleet.sites.broken.clear()
    for daemon in daemons.values():
        assert daemon is not None
        await daemon.until(partial(daemon.lines, "decides the combined states alone"))
    for place in left:
        await fleet.at[place].mend()
    for daemon in daemons.values():
        assert daemon is not None
        await daemon.until(partial(daemon.lines, "decide together again"))
    row = await fleet.until_state("Shop", "up")
    assert row["owner"] is not None


async def see_that_others_decide_as_soon_as_the_decider_has_stopped(fleet: PlaceFleet, left: list[str]) -> None:
    """Assert that a stopping decider hands over, and that the combined state of a target without `locations` ends."""
    decider = await decider_of(fleet, "Shop")
    (other,) = set(left) - {decider}
    await fleet.at[decider].stop()
    with trio.fail_after(PATIENCE_SECONDS):
        while await decider_of(fleet, "Shop") != other:  # noqa: ASYNC110
            await trio.sleep(0.02)
    fleet.write([{"name": "Shop"}, {"name": "Blog"}])
    assert not (await fleet.until_state("Shop", "paused"))["watched"]
    await fleet.until_state("Shop", "up", other)
