"""The views of several places, and who decides the combined state, without a database."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles import MOMENT, a_target
from watcher.daemon.places.decisions import decide, decide_alone
from watcher.daemon.places.ownership import OwnedTargets
from watcher.daemon.places.poll import Poll
from watcher.model.places import COMBINED, PlaceView
from watcher.model.resumption import Taken
from watcher.model.state import NEVER_CHECKED, Standing, State
from watcher.outbox.encoding import FLIP, RELEASE
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.recording.place_views import LOOKS_WAITED, PlaceViews

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHOP = replace(a_target("Shop"), locations=("fra", "nyc", "sgp"), quorum=2)
BLOG = replace(a_target("Blog"), locations=("fra", "nyc"), quorum=2)
GRACE_SECONDS = 15.0
FORCE_SECONDS = 6.0


def said(place: str, state: State, minute: int = 0) -> PlaceView:
    return PlaceView(place, state, MOMENT + timedelta(minutes=minute), "status" if state is State.DOWN else None, "503")


class Owners:
    """The owners of targets, and their known states."""

    def __init__(self) -> None:
        self.others: set[str] = set()
        self.known: dict[str, Taken] = {}
        self.is_away = False

    async def claim(self, names: Sequence[str], *, by_force: bool = False) -> dict[str, Taken] | None:
        """Return those that another replica does not own, or all of them by force."""
        if self.is_away:
            return None
        return {name: self.known.get(name, Taken()) for name in names if by_force or name not in self.others}


class Told:
    """A database that returns the views of the places."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.stored: dict[str, float] = {}
        self.views: list[PlaceView] = []
        self.unwatched: set[str] = set()
        self.is_away = False
        self.late = 7
        self.asked: list[object] = []

    async def fetch(self, _query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Answer the two queries of a look."""
        if self.is_away:
            raise DatabaseUnavailableError("away")
        if not arguments:
            ages = [{"location": one, "heard": age, "stored": self.stored.get(one)} for one, age in self.heard.items()]
            return [{"now": MOMENT, "late": self.late, **row} for row in ages]
        self.asked.append(arguments[1])
        return [
            {
                "target": "Shop",
                "location": one.location,
                "state": str(one.state),
                "since": one.since,
                "reason": one.reason,
                "detail": one.detail,
                "watched": one.location not in self.unwatched,
            }
            for one in self.views
        ]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[OutboxThread]:
    with closing(Outbox(tmp_path / "outbox.sqlite", shares=True)) as outbox:
        yield OutboxThread(outbox)


def entries_in(disk: OutboxThread, kind: str) -> list[dict[str, Any]]:
    return [json.loads(entry.payload) for entry in disk.outbox.peek(100, 10**6) if entry.kind == kind]


def test_views_are_in_the_order_of_the_file_with_present_reasons() -> None:
    views = PlaceViews()
    views.use([SHOP, a_target("Search")])
    assert (views.views_of("Shop"), views.combined_of("Shop"), views.changes) == ((), None, 0)
    views.live({"fra", "nyc"})
    degraded = PlaceView(COMBINED, State.DEGRADED, MOMENT, "status", "as it was when that began")
    assert views.take([("Shop", said("sgp", State.UP)), ("Shop", said("fra", State.DOWN)), ("Shop", degraded)])
    assert not views.take([("Shop", said("fra", State.DOWN)), ("Search", said("fra", State.DOWN))])
    assert [(one.location, one.state, one.is_alive) for one in views.views_of("Shop")] == [
        ("fra", State.DOWN, True),
        ("nyc", State.PENDING, True),
        ("sgp", State.UP, False),
    ]
    views.take([("Shop", said("nyc", State.UP))])
    combined = views.combined_of("Shop")
    assert combined is not None
    assert combined.detail == "down at fra only, up at nyc: 503; sgp has no replica"
    views.use([BLOG])
    assert (views.views_of("Shop"), views.combined_of("Shop")) == ((), None)


async def test_a_place_that_lived_before_an_outage_of_the_database_counts_until_it_could_be_heard_of_again() -> None:
    told, views, seconds = Told(), PlaceViews(), [0.0]
    views.use([SHOP])
    poll = Poll(told, views, GRACE_SECONDS, lambda _name: False, lambda: seconds[0])  # type: ignore[arg-type]

    def seen() -> tuple[set[str], bool]:
        return set(views.living), poll.is_settled

    told.heard, told.views = {"fra": 1.0, "nyc": 2.0, "sgp": 16.0}, [said("fra", State.UP)]
    look = await poll.look()
    assert (*seen(), look.changed, look.missing) == ({"fra", "nyc"}, True, {"Shop"}, {"Shop"})
    await poll.look()
    assert told.asked == [["Shop"], 15.0], "only a look at all asks for all"
    told.late += 1
    await poll.look()
    await poll.look()
    assert told.asked[2:] == [["Shop"], 15.0], "what had waited may be older than what is asked for else"
    told.is_away = True
    with pytest.raises(DatabaseUnavailableError):
        await poll.look()
    told.is_away, seconds[0] = False, 100.0
    told.heard, told.stored = {"fra": 1.0, "nyc": 100.0}, {"fra": 100.0, "nyc": 100.0}
    assert (await poll.look()).is_back
    assert seen() == ({"fra", "nyc"}, False), "neither has stored what it found meanwhile"
    seconds[0], told.stored = 105.0, {"fra": 2.0, "nyc": 3.0}
    await poll.look()
    assert poll.is_settled
    seconds[0], told.stored = 116.0, {"fra": 2.0, "nyc": 116.0}
    await poll.look()
    assert seen() == ({"fra"}, True), "nyc was not heard of again"
    told.heard["nyc"] = 1.0
    await poll.look()
    assert seen() == ({"fra", "nyc"}, False), "it is there, and has not stored anything"
    seconds[0] = 131.0
    await poll.look()
    assert seen() == ({"fra"}, True), "what it says is too old by now"


async def test_own_decisions_are_known_before_their_rows_are() -> None:
    told, views = Told(), PlaceViews()
    views.use([SHOP])
    views.take([("Shop", said(COMBINED, State.DOWN, 5))])
    poll = Poll(told, views, GRACE_SECONDS, lambda name: name == "Shop")  # type: ignore[arg-type]
    told.heard, told.views = {"fra": 1.0}, [said(COMBINED, State.UP), said("fra", State.DOWN, 5)]
    await poll.look()
    combined = views.combined_of("Shop")
    assert combined is not None
    assert combined.state is State.DOWN


async def test_a_place_without_a_watcher_of_a_target_has_no_view() -> None:
    told, views = Told(), PlaceViews()
    views.use([SHOP])
    told.heard = dict.fromkeys(SHOP.locations, 1.0)
    told.views = [said("fra", State.DOWN), said("nyc", State.UP), said(COMBINED, State.DEGRADED)]
    poll = Poll(told, views, GRACE_SECONDS, lambda _name: False)  # type: ignore[arg-type]
    assert not (await poll.look()).missing
    told.unwatched = {"nyc", COMBINED}
    poll.look_at_all()
    look = await poll.look()
    assert (look.changed, look.missing) == ({"Shop"}, {"Shop"})
    assert [view.state for view in views.views_of("Shop")] == [State.DOWN, State.UNKNOWN, State.PENDING]
    for _ in range(LOOKS_WAITED):
        await poll.look()
    assert [view.state for view in views.views_of("Shop")] == [State.DOWN, State.UNKNOWN, State.UNKNOWN]


def test_a_place_alone_decides_by_its_own_view_and_says_so() -> None:
    up = Standing(State.UP, MOMENT, State.UP, flips=3)
    now = MOMENT + timedelta(minutes=9)
    found = decide_alone(SHOP, up, said("nyc", State.DOWN, 7), now)
    assert found is not None
    assert (found.flip.state, found.flip.at, found.flip.number) == (State.DOWN, MOMENT + timedelta(minutes=7), 4)
    assert found.view.detail is not None
    assert found.view.detail.startswith("decided by nyc alone, since PostgreSQL does not answer: down at nyc")
    assert decide_alone(SHOP, up, said("nyc", State.UP, 7), now) is None


async def test_targets_are_claimed_decided_on_handed_over_and_ended(disk: OutboxThread) -> None:
    owners, written = Owners(), list[int]()
    owned = OwnedTargets(disk, owners, lambda: written.append(1), FORCE_SECONDS)
    owners.others = {"Blog"}
    owners.known["Shop"] = Taken(Standing(State.UP, MOMENT, State.UP, flips=3), MOMENT)
    assert await owned.follow({"Shop", "Blog"}, 0.0) == {"Shop"}
    assert (owned.holds("Shop"), owned.holds("Blog"), owned.has_all) == (True, False, False)
    found = [(await owned.follow({"Shop", "Blog"}, 9.0, is_mixed=True), owned.has_all)]
    found.append((await owned.follow({"Shop", "Blog"}, 9.0 + FORCE_SECONDS / 2), owned.has_all))
    assert found == [(set(), True), (set(), False)], "an owner with another file keeps it, and may release it later"
    assert await owned.follow({"Shop", "Blog"}, 9.0 + 2 * FORCE_SECONDS) == {"Blog"}, "it lives, and does not"
    assert owned.has_all

    views = (said("fra", State.DOWN, 1), said("nyc", State.DOWN, 2), said("sgp", State.UP))
    decision = decide(SHOP, owned.standings["Shop"], views, MOMENT + timedelta(minutes=3))
    assert decision is not None
    await owned.record({"Shop": decision})
    (flip,) = entries_in(disk, FLIP)
    assert (flip["location"], flip["state"], flip["before"], flip["number"]) == (COMBINED, "down", "up", 4)

    # Once its ownership is uncertain, the replica claims them before the next decision.
    owned.doubt()
    owners.is_away = True
    assert await owned.follow({"Shop", "Blog"}, 22.0) == set()
    assert not owned.holds("Shop")
    owners.is_away = False
    assert await owned.follow({"Shop", "Blog"}, 23.0) == {"Shop", "Blog"}
    assert owned.standings["Shop"].state is State.UP, "another has decided since"
    assert owned.standings["Shop"].flips == 4, "and no number comes twice"

    await owned.follow({"Shop"}, 24.0)
    (release,) = entries_in(disk, RELEASE)
    assert (release["location"], release["targets"]) == (COMBINED, ["Blog"])
    await owned.end({"Shop"}, {}, MOMENT + timedelta(minutes=10))
    assert [one["state"] for one in entries_in(disk, FLIP)] == ["down", "paused"]
    assert not owned.standings
    assert disk.outbox.standings(COMBINED) == {}


async def test_a_restart_continues_with_decisions_that_only_the_outbox_has(
    disk: OutboxThread,
) -> None:
    owners = Owners()
    before = OwnedTargets(disk, owners, lambda: None, FORCE_SECONDS)
    await before.follow({"Shop"}, 0.0)
    assert before.standings["Shop"] is NEVER_CHECKED
    views = (said("fra", State.UP), said("nyc", State.UP), said("sgp", State.UP))
    found = decide(SHOP, NEVER_CHECKED, views, MOMENT)
    assert found is not None
    await before.record({"Shop": found})
    after = OwnedTargets(disk, owners, lambda: None, FORCE_SECONDS)
    await after.follow({"Shop"}, 0.0)
    assert (after.standings["Shop"].state, after.standings["Shop"].flips) == (State.UP, 1)
    assert uuid.UUID(entries_in(disk, FLIP)[0]["id"]) == found.flip.flip_id
