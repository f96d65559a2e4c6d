"""Alerts of targets that several places watch: one incident, which all places open, change and end together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.doubles import a_target
from watcher.alerting.combined import CombinedPresent
from watcher.alerting.messages import set_channels
from watcher.alerting.policy.channel_policy import ChannelPolicy
from watcher.alerting.policy.event import AlertEvent, Certificate, Change
from watcher.alerting.policy.incidents import follow
from watcher.alerting.policy.line import Line
from watcher.alerting.policy.view import View
from watcher.alerting.policy.wording import text_of, title_of
from watcher.alerting.silences.kept import open_since
from watcher.model.alerts.channel import Channel, WebhookReceiver
from watcher.model.alerts.notification import Kind
from watcher.model.outcome import Fault, Reason
from watcher.model.places import COMBINED, PlaceView, combine
from watcher.model.resumption import RENAMED, left_by
from watcher.model.state import Flip, State
from watcher.outbox.alerts import events_for, open_incidents
from watcher.outbox.flip_door import record_flips
from watcher.outbox.outbox import Outbox
from watcher.outbox.places.combined import use_combined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.model.target import Target

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
WHY = "503 Service Unavailable"
CHANNEL = Channel("ops", WebhookReceiver("https://hook.example/"), group_wait_seconds=0.0, group_interval_seconds=0.0)
PLACES = ("fra", "nyc", "sgp")
UP, DOWN = State.UP, State.DOWN


def several(*names: str) -> dict[str, Target]:
    """Return a configuration where several places watch some targets, and one place the rest."""
    alone = {name: a_target(name=name) for name in ("Checkout", "Search", "Find") if name not in names}
    return alone | {name: a_target(name=name, locations=PLACES, quorum=2) for name in names}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    set_channels(outbox, {"ops"}, now=0.0)
    yield outbox
    outbox.close()


def flip(outbox: Outbox, state: State, location: str = "fra", name: str = "Checkout", number: int = 1) -> None:
    cause = Fault(Reason.STATUS, WHY) if state is State.DOWN else None
    record_flips(outbox, [Flip(name, location, NOW, NOW, state, State.UP, cause, None, number)], now=0.0)


def told(outbox: Outbox) -> list[str]:
    """Return the events of incidents, and forget them."""
    found = events_for(outbox, "ops", 100)
    outbox.put((), now=0.0, alongside=lambda database: database.execute("DELETE FROM alert_events"))
    return [f"{one.change} {one.target} at {one.location}" for one in found]


def opened(outbox: Outbox) -> list[tuple[str, str]]:
    return [(one.location, one.target) for one in open_incidents(outbox).found]


def test_only_the_combined_state_of_places_makes_an_incident(outbox: Outbox) -> None:
    use_combined(outbox, several("Checkout"), "fra", 0.0)
    flip(outbox, State.DOWN)
    flip(outbox, State.DOWN, name="Search")
    flip(outbox, State.DOWN, COMBINED)
    assert told(outbox) == ["opened Search at fra", "opened Checkout at *"]
    flip(outbox, State.UP)
    flip(outbox, State.UP, COMBINED)
    assert told(outbox) == ["closed Checkout at *"]
    assert len(outbox.peek(100, 10_000)) == 5, "each place's flips are recorded all the same"


@pytest.mark.parametrize("is_stopped", [False, True])
def test_open_incidents_end_when_the_places_of_a_target_change_and_new_ones_are_sent(
    is_stopped: bool, outbox: Outbox, tmp_path: Path
) -> None:
    flip(outbox, State.DOWN)
    flip(outbox, State.DOWN, name="Search")
    told(outbox)
    use_combined(outbox, several("Checkout"), "fra", 0.0)
    (event,) = events_for(outbox, "ops", 100)
    assert event.flip is not None
    assert (event.change, event.flip.state, event.flip.cause) == (Change.CLOSED, State.PAUSED, left_by("fra"))
    assert told(outbox) == ["closed Checkout at fra"]
    flip(outbox, State.DOWN, COMBINED)
    assert open_since(outbox, "fra", ["Checkout", "Search", "Wiki"]).keys() == {"Checkout", "Search"}
    told(outbox)
    if is_stopped:
        outbox.close()
        outbox = Outbox(tmp_path / "outbox.sqlite")
    use_combined(outbox, several(), "fra", 0.0)
    assert told(outbox) == ["closed Checkout at *", "opened Checkout at fra"]
    assert opened(outbox) == [("fra", "Checkout"), ("fra", "Search")]
    use_combined(outbox, several(), "fra", 0.0)
    assert told(outbox) == []
    outbox.close()


def test_an_incident_goes_on_under_a_new_name_where_several_places_watch_it_still(outbox: Outbox) -> None:
    use_combined(outbox, several("Checkout"), "fra", 0.0)
    flip(outbox, State.DOWN, COMBINED)
    told(outbox)
    use_combined(outbox, several("Cash desk"), "fra", 0.0, {"Checkout": "Cash desk"})
    assert told(outbox) == ["renamed Checkout at *"]
    assert opened(outbox) == [(COMBINED, "Cash desk")]
    # One place alone watches it under its first name, several places under the next.
    flip(outbox, State.DOWN, name="Search")
    told(outbox)
    use_combined(outbox, several("Cash desk", "Find"), "fra", 0.0, {"Search": "Find"})
    paused = Flip("Search", "fra", NOW, NOW, State.PAUSED, State.DOWN, RENAMED, None, 2)
    record_flips(outbox, [paused], now=0.0, renamed={"Search": "Find"})
    assert opened(outbox) == [(COMBINED, "Cash desk")]
    assert told(outbox) == ["closed Search at fra"]


def views(*states: State | None) -> tuple[PlaceView, ...]:
    """Return the views of places; None for a place without a replica."""
    seen = [PlaceView(place, UP, NOW, is_alive=state is not None) for place, state in zip(PLACES, states, strict=True)]
    down = [replace(view, state=DOWN, reason="status", detail=WHY) for view in seen]
    return tuple(bad if state is DOWN else good for good, bad, state in zip(seen, down, states, strict=True))


@pytest.mark.parametrize(
    ("seen", "kind", "title", "sentence"),
    [
        ((DOWN, DOWN, UP), Kind.DOWN, "Checkout is down at fra and nyc", "Checkout has been down at fra and nyc since"),
        ((DOWN, DOWN, DOWN), Kind.REMINDER, "Checkout is still down at fra, nyc and sgp", "Checkout has been down at"),
        ((DOWN, None, None), Kind.DOWN, "Checkout is down at fra", "Checkout has been down at fra since"),
        ((UP, UP, DOWN), Kind.DEGRADED, "Checkout is degraded: down at sgp only", "Checkout has been degraded since"),
        ((UP, UP, UP), Kind.UP, "Checkout is up", "Checkout has been up since"),
    ],
)
def test_a_message_names_the_places(seen: tuple[State | None, ...], kind: Kind, title: str, sentence: str) -> None:
    combined = combine(views(*seen), 2)
    line = Line(kind, "Checkout", COMBINED, combined.state, State.DOWN, NOW, NOW, combined.cause)
    assert title_of(kind, [line]) == title
    assert text_of([line], NOW, View({}, lambda _: None, lambda _: None)).startswith(sentence)


class Places:
    """Views of places, made by hand."""

    def __init__(self) -> None:
        self.changes = 0
        self.views = dict[str, tuple[PlaceView, ...]]()
        self.combined = dict[str, State]()

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        return self.views.get(target, ())

    def combined_of(self, target: str) -> PlaceView | None:
        return PlaceView(COMBINED, self.combined[target], NOW) if target in self.combined else None


async def test_a_parent_that_several_places_watch_holds_its_children_back() -> None:
    places, heard = Places(), list[bool]()
    router = a_target(name="Router", locations=PLACES, quorum=2)
    present = CombinedPresent(places, lambda: heard.append(True))
    present.use({"Router": router})
    assert present.state_of("Router") is None
    for seen, combined, is_in_doubt in (
        ((UP, UP, UP), UP, False),
        ((UP, UP, DOWN), UP, True),
        ((UP, UP, DOWN), State.DEGRADED, False),
        ((DOWN, UP, DOWN), State.DEGRADED, True),
        ((DOWN, UP, DOWN), DOWN, False),
    ):
        places.views["Router"], places.combined["Router"] = views(*seen), combined
        assert present.is_in_doubt("Router") is is_in_doubt, (seen, combined)
        await present.look()
    assert present.state_of("Router") is DOWN
    assert present.back_at("Router") is None
    places.combined["Router"] = UP
    await present.look()
    assert present.back_at("Router") == NOW
    assert present.checked_at("Router", NOW) < NOW
    assert len(heard) == 4


def test_the_certificate_of_a_target_is_sent_once_by_the_first_place_with_a_replica() -> None:
    target = a_target(name="Checkout", locations=PLACES, quorum=2)
    view = View({"Checkout": target}, lambda _: UP, lambda _: NOW, places_of=lambda _: views(None, UP, UP))
    policy = ChannelPolicy(CHANNEL, {})
    end = Certificate(7, NOW + timedelta(days=7))
    event = partial(AlertEvent, 0, Change.CERTIFICATE, NOW, target="Checkout", certificate=end)
    for place in PLACES:
        policy.take(event(location=place), view)
    (message,) = policy.decide(NOW, view).messages
    assert message.payload["title"] == "The certificate of Checkout ends in 7 days"
    assert [one["location"] for one in message.payload["targets"]] == [COMBINED]


def test_an_incident_of_another_place_is_held_by_its_state_there() -> None:
    target = a_target(name="Search")
    there = {"nyc": State.MAINTENANCE}
    view = View({"Search": target}, lambda _: DOWN, lambda _: NOW)
    view = replace(view, state_elsewhere=lambda location, _target: there.get(location))
    policy = ChannelPolicy(CHANNEL, {})
    down = [Flip("Search", place, NOW, NOW, DOWN, UP, Fault(Reason.STATUS, WHY)) for place in ("fra", "nyc")]
    for one in down:
        incident, _ = follow(None, one)
        policy.take(AlertEvent(0, Change.OPENED, NOW, incident, one, "Search", one.location), view)
    (message,) = policy.decide(NOW, view).messages
    assert message.payload["title"] == "Search (fra) is down"


@pytest.mark.parametrize(
    ("later", "title", "at_seconds"),
    [
        ([(20, UP)], "Checkout is up", 20.0),
        ([], "Checkout is degraded", 130.0),
        ([(20, DOWN), (40, UP)], "Checkout is up", 40.0),
    ],
)
def test_places_come_up_one_after_another_which_is_one_end(
    later: list[tuple[float, State]], title: str, at_seconds: float
) -> None:
    target = a_target(name="Checkout", locations=PLACES, quorum=2, interval_seconds=60.0)
    state, incident = UP, None
    view = View({"Checkout": target}, lambda _: state, lambda _: NOW)
    policy = ChannelPolicy(CHANNEL, {})
    ends = list[tuple[float, str]]()
    for number, (seconds, found) in enumerate([(0.0, DOWN), (10.0, State.DEGRADED), *later]):
        moment = NOW + timedelta(seconds=seconds)
        flip = Flip("Checkout", COMBINED, moment, moment, found, state, None, None, number)
        state, (now, change) = found, follow(incident, flip)
        if change is not None:
            policy.take(AlertEvent(number, change, moment, now or incident, flip, "Checkout", COMBINED), view)
        incident = now
        messages = list(policy.decide(moment, view).messages)
        ends += [(seconds, one.payload["title"]) for one in messages]
    while (due := policy.due_at) is not None and due < NOW + timedelta(hours=1):
        ends += [((due - NOW).total_seconds(), one.payload["title"]) for one in policy.decide(due, view).messages]
    assert ends[-1] == (at_seconds, title)
    assert "Checkout is degraded" not in [one for _, one in ends[:-1]]
