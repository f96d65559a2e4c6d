"""The pages of targets that several places watch together, from values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trio

from tests.doubles import MOMENT, a_target
from tests.unit.web.test_api import a_client, a_present
from tests.unit.web.test_overview import Markup, end_of, glance_of, page_of
from watcher.model.outcome import Reason
from watcher.model.places import COMBINED, PlaceView
from watcher.model.state import Standing, State
from watcher.recording.board import Board
from watcher.recording.place_views import PlaceViews
from watcher.web.metrics.of_targets import targets_text
from watcher.web.pages.events import LEAST_SECONDS, Events
from watcher.web.pages.glance import Seen, glancing
from watcher.web.pages.rendering import Look
from watcher.web.pages.target import TargetView, target_page
from watcher.web.sites import Sites
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from trio.testing import MockClock

    from watcher.model.target import Target

HERE = "default"
SINCE = MOMENT - timedelta(minutes=5)
DETAIL = "down at sgp only, up at default: 503 Service Unavailable"
SHOP = replace(a_target("Checkout", group="shop"), locations=(HERE, "sgp", "nyc"), quorum=2)
ELSEWHERE = replace(a_target("Abroad"), locations=("fra", "nyc"), quorum=2)
ALONE = a_target("Search")


class Said(PlaceViews):
    """The views of the places of two targets, without a database."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 1
        self.said = {
            "Checkout": (
                PlaceView(HERE, State.UP, MOMENT - timedelta(days=1)),
                PlaceView("sgp", State.DOWN, SINCE, "status", "503 Service Unavailable"),
                PlaceView("nyc", State.UP, SINCE, is_alive=False),
            ),
            "Abroad": (PlaceView("fra", State.UP, SINCE), PlaceView("nyc", State.UP, SINCE)),
        }
        self.together = {
            "Checkout": PlaceView(COMBINED, State.DEGRADED, SINCE, "status", DETAIL),
            "Abroad": PlaceView(COMBINED, State.UP, SINCE),
        }

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return the view of each place."""
        return self.said.get(target, ())

    def combined_of(self, target: str) -> PlaceView | None:
        """Return the combined states."""
        return self.together.get(target)


def standings(views: PlaceViews | None = None) -> tuple[Standings, list[Target]]:
    board = Board()
    board.place({"Checkout": Standing(State.UP, MOMENT), "Search": Standing(State.UP, MOMENT)})
    return Standings(board, views), [SHOP, ELSEWHERE, ALONE]


def target_html(target: Target, *, public: bool = False) -> str:
    present, targets = standings(Said())
    site = Sites.of(targets, public=public).all[targets.index(target)]
    latest = present.latest_of(site)
    assert latest is not None
    seen = Seen(site, latest, present.places_of(site))
    return "".join(target_page(TargetView(seen, None, "24h", None, MOMENT, location=HERE), Look(public=public)))


def words_of(html: str) -> str:
    return " ".join(Markup(html).text.split())


def test_a_target_of_several_places_shows_the_combined_state() -> None:
    present, targets = standings(Said())
    glance = end_of(glancing(Sites.of(targets, public=False), present))
    assert glance.states == [State.DEGRADED, State.UP, State.UP]
    assert glance.counts == {State.DEGRADED: 1, State.UP: 2}
    assert [len(glance.row(place).places) for place in range(3)] == [3, 2, 0]
    latest = glance.seen(0).latest
    assert (latest.standing.since, latest.reason, latest.detail) == (SINCE, Reason.STATUS, DETAIL)
    html = page_of(glance)
    text = words_of(html)
    assert "No site is down, 1 of 3 is degraded" in text
    assert "default: up, sgp: down, nyc: unknown (no replica)" in text
    assert html.count('<span class="places" tabindex="0">') == 2
    assert DETAIL in text
    public = end_of(glancing(Sites.of(targets, public=True), present))
    assert "503" not in page_of(public, look=Look(public=True))


def test_before_the_first_views_each_target_shows_the_state_of_this_place() -> None:
    present, targets = standings()
    glance = end_of(glancing(Sites.of(targets, public=False), present))
    assert glance.states == [State.UP, State.PENDING, State.UP]
    assert 'class="places"' not in page_of(glance)


def test_the_page_without_places_is_as_it_was() -> None:
    assert page_of(glance_of([ALONE])) == page_of(glance_of([ALONE], views=Said()))


@pytest.mark.parametrize("public", [False, True])
def test_the_page_of_a_target_lists_its_places(public: bool) -> None:
    html = target_html(SHOP, public=public)
    text = words_of(html)
    assert "Degraded for 5m" in text
    assert text.count("none: it does not count") == 1
    assert ("sgpDown2026-" in text, "503 Service Unavailable" in text) == (True, not public)
    assert "Not checked here" not in text
    assert "Not checked here, at default." in words_of(target_html(ELSEWHERE, public=public))
    assert 'id="places"' not in target_html(ALONE, public=public)


async def test_viewers_are_notified_of_the_view_of_a_place(autojump_clock: MockClock) -> None:
    views = Said()
    events = Events(standings(views)[0])
    first = events.version(public=True)
    assert events.version(public=True) == first
    views.changes += 1
    await trio.sleep(LEAST_SECONDS)
    assert events.version(public=True) != first


@pytest.mark.parametrize("public", [False, True])
async def test_the_api_has_the_places(public: bool) -> None:
    present = a_present("Checkout", "Search")
    present.targets = {**present.targets, "Checkout": SHOP, "Abroad": ELSEWHERE}
    present.place_views = Said()
    async with a_client(present, public=public) as client:
        records = {one["target"]: one for one in (await client.get("/api/v1/targets")).json()["targets"]}
        degraded = (await client.get("/api/v1/targets?state=degraded")).json()["targets"]
        badge = (await client.get("/api/v1/endpoints/shop_checkout/health/badge.shields")).json()
    assert [one["target"] for one in degraded] == ["Checkout"]
    assert badge["message"] == "degraded"
    checkout = records["Checkout"]
    assert (checkout["location"], checkout["state"]) == (COMBINED, "degraded")
    assert checkout["locations"][1] == {
        "location": "sgp",
        "state": "down",
        "since": "2026-11-23T15:15:55.857Z",
        "reason": None if public else "status",
        "detail": None if public else "503 Service Unavailable",
        "has_replica": True,
    }
    assert (checkout["locations"][2]["state"], checkout["locations"][2]["has_replica"]) == ("unknown", False)
    assert records["Abroad"]["state"] == "up"
    assert (records["Search"]["location"], "locations" in records["Search"]) == (HERE, False)


@pytest.mark.parametrize("decides", [False, True])
def test_metrics_have_the_combined_state_where_it_is_decided(decides: bool) -> None:
    present = a_present("Search")
    present.board.place({"Checkout": Standing(State.UP, MOMENT)})
    present.place_views, present.decides = Said(), lambda target: decides and target == "Checkout"
    targets = [SHOP, ELSEWHERE, ALONE]
    names = [target.name for target in targets]
    text = "".join(targets_text(present, targets, names, sees_all=True, is_open_metrics=False))
    of_state = [line for line in text.splitlines() if line.startswith("watcher_target_state{")]
    assert of_state[:2] == [
        'watcher_target_state{target="Checkout",group="shop",location="default",state="up"} 1',
        'watcher_target_state{target="Search",location="default",state="up"} 1',
    ]
    combined = 'watcher_target_state{target="Checkout",group="shop",location="*",state="degraded"} 1'
    assert of_state[2:] == ([combined] if decides else [])
