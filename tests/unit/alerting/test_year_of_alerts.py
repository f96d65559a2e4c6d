"""A year of events of sites in any order, against the rules of what a channel may be sent."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import time, timedelta
from math import log2
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.alerting.policy_world import CHANNEL, START, World, flip_of_word, target_of
from watcher.alerting.policy.event import Certificate, Change
from watcher.alerting.policy.holding import Parents, can_tell_of_any, parents_of
from watcher.alerting.policy.records.record import Place, Record, decode_record
from watcher.alerting.policy.windows import quiet_until
from watcher.model.alerts.channel import Route, Topic
from watcher.model.alerts.notification import Kind
from watcher.model.alerts.of_target import Dependency, TargetAlerts
from watcher.model.alerts.silence import Ack, Silence
from watcher.model.alerts.windows import QuietHours
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.model.alerts.channel import Channel, GroupBy
    from watcher.model.alerts.notification import Notification
    from watcher.model.target import Target

YEAR = timedelta(days=365)
SITES = 4
NAMES = [f"S{number}" for number in range(SITES)]
OPENINGS = {Kind.DOWN, Kind.DEGRADED, Kind.UNKNOWN, Kind.ESCALATION}
TOPICS = {State.DOWN: Topic.DOWN, State.DEGRADED: Topic.DEGRADED, State.UNKNOWN: Topic.UNKNOWN}

# Seconds between two steps: within one message, in the next one, in other hours, on other days.
PAUSES = st.sampled_from([0, 0, 0.5, 2, 2, 9, 9, 30, 30, 70, 70, 400, 400, 400, 1500, 1500, 4000, 20_000, 90_000])
WORDS = st.sampled_from(
    ["down", "down", "down", "up", "up", "up", "degraded", "blind", "restart", "maintenance", "paused"]
)


@dataclass(frozen=True)
class Step:
    """An event after a pause: a word, for a site, for some seconds; and whether the daemon restarts then."""

    pause_seconds: float
    word: str
    site: str
    seconds: float
    is_restart: bool


@dataclass(frozen=True)
class Site:
    """How a site is configured: its dependencies, its group and its interval."""

    routes: tuple[Route, ...] | None
    parents: tuple[Dependency, ...]
    group: str | None
    interval_seconds: float

    def target(self, name: str) -> Target:
        """Return the target of the configuration."""
        alerts = TargetAlerts(routes=self.routes, depends_on=self.parents)
        return target_of(name, group=self.group, alerts=alerts, interval_seconds=self.interval_seconds)


@dataclass(frozen=True)
class Telling:
    """How the channel is configured."""

    topics: frozenset[Topic]
    group_wait_seconds: float
    group_interval_seconds: float
    group_by: GroupBy
    reminder_interval_seconds: float
    quiet_hours: tuple[QuietHours, ...]

    def channel(self) -> Channel:
        """Return the channel."""
        return replace(CHANNEL, **vars(self))


@st.composite
def sites(draw: st.DrawFn) -> list[Site]:
    """Draw sites; each depends on earlier ones, on the group of the first two, or on nothing."""
    drawn = []
    for number in range(SITES):
        routes = draw(st.sampled_from([None, None, None, (), (Route("ops"),), (Route("ops", 900), Route("pager"))]))
        parents: tuple[Dependency, ...] = ()
        if number >= 2:
            parent = st.sampled_from([Dependency(group="core"), *(Dependency(target=one) for one in NAMES[:number])])
            parents = tuple(draw(st.lists(parent, max_size=2, unique=True)))
        group = "core" if number < 2 else draw(st.sampled_from(["shop", None]))
        drawn.append(Site(routes, parents, group, draw(st.sampled_from([2.0, 60.0]))))
    return drawn


TELLINGS = st.builds(
    Telling,
    st.sampled_from([frozenset(Topic), CHANNEL.topics, frozenset({Topic.DOWN, Topic.UP})]),
    st.sampled_from([0.0, 10.0, 90.0]),
    st.sampled_from([0.0, 60.0, 300.0]),
    st.sampled_from(["channel", "group", "target"]),
    st.sampled_from([0.0, 3600.0, 14_400.0]),
    st.sampled_from([(), (), (QuietHours(time(22), time(7), "Europe/Berlin"),)]),
)
WORDS_OF_OPERATORS = st.sampled_from(
    ["blackout", "flap", "silence", "silence", "loud", "ack", "doubtful", "sure", "certificate", "network"]
)
STEPS = st.lists(
    st.builds(
        Step,
        PAUSES,
        WORDS | WORDS_OF_OPERATORS,
        st.sampled_from(NAMES),
        st.sampled_from([5.0, 100.0, 5000.0, 200_000.0]),
        st.sampled_from([True, False, False]),
    ),
    min_size=10,
    max_size=80,
)


class Year:
    """A world that inspects each message as it is sent, and knows what the channel was sent before."""

    def __init__(self, sites: Sequence[Site], telling: Telling, *, restarts: bool = False) -> None:
        """Start with all sites up."""
        self.world = World([site.target(name) for name, site in zip(NAMES, sites, strict=True)], telling.channel())
        self.now = START
        self.told: dict[str, State | str | None] = {}
        self.told_flips: dict[str, str | None] = {}
        self.reminded = Counter[tuple[str, str]]()
        self.acked_at: dict[str, datetime] = {}
        self.network_at = START
        self.seen = 0
        self.restarts = restarts

    def live(self, steps: Sequence[Step]) -> list[Notification]:
        """Run the steps, then let everything calm down; return the messages."""
        for step in steps:
            self.wait(timedelta(seconds=step.pause_seconds))
            self.do(step)
            self.look()
            if self.restarts and step.is_restart:
                self.world.restart(self.now)
                self.world.decide(self.now)
                self.look()
        self.end()
        return self.world.sent

    def wait(self, length: timedelta) -> None:
        """Let time pass, and inspect each message sent meanwhile."""
        world, end = self.world, self.now + length
        while (due := world.policy.due_at) is not None and due <= end:
            self.now = max(due, self.now)
            world.decide(self.now)
            self.look()
        self.now = end

    def do(self, step: Step) -> None:
        """Carry out a step."""
        world, now, site = self.world, self.now, step.site
        match step.word:
            case "silence":
                end = now + timedelta(seconds=step.seconds)
                silence = Silence(
                    uuid.uuid5(uuid.NAMESPACE_URL, f"{now}"), now, end, "moving", targets=frozenset({site})
                )
                world.silences = (*(one for one in world.silences if one.end > now), silence)
                world.decide(now)
            case "loud":
                world.silences = tuple(replace(one, end=min(one.end, now)) for one in world.silences)
                world.decide(now)
            case "ack":
                if world.incidents.get(site) is not None:
                    world.acks = (*world.acks, Ack(uuid.uuid5(uuid.NAMESPACE_URL, f"{now}"), site, now))
                    self.acked_at[site] = now
            case "blackout":
                for name in NAMES:
                    self.flip(name, "blind")
                    self.look()
            case "flap":
                for number in range(8):
                    self.flip(site, "up" if number % 2 else "down")
                    self.look()
                    self.wait(timedelta(seconds=400))
            case "doubtful":
                world.in_doubt.add(site)
            case "sure":
                world.in_doubt.clear()
            case "certificate":
                ending = Certificate(7, now + timedelta(days=7))
                world.notice(now, change=Change.CERTIFICATE, target=site, location="default", certificate=ending)
                world.decide(now)
            case "network" if now > self.network_at:
                self.network_at = now
                world.notice(now, change=Change.CONNECTIVITY, gap_start=now - timedelta(seconds=step.seconds))
                world.decide(now)
            case "network":
                pass
            case word:
                self.flip(site, word)

    def flip(self, site: str, word: str) -> None:
        """Change a site's state, where the state machine would."""
        state = self.world.states[site]
        new = {"blind": State.UNKNOWN, "restart": State.UNKNOWN}.get(word) or State(word)
        if new is state or (new is State.UNKNOWN and state in {State.MAINTENANCE, State.PAUSED}):
            return
        flip_of_word(self.world, self.now, site, word)

    def end(self) -> None:
        """Let maintenance and silences end, and wait until nothing is left to send."""
        self.world.in_doubt.clear()
        self.world.silences = ()
        self.world.decide(self.now)
        self.look()
        for site in NAMES:
            if self.world.states[site] in {State.MAINTENANCE, State.PAUSED}:
                self.flip(site, "up")
                self.look()
        self.wait(timedelta(days=2))
        if all(record.place is Place.NOWHERE for record in self.records()):
            self.wait(START + YEAR - self.now)  # only reminders; the loop wakes for the others too often
        for site in NAMES:
            self.compare_in_the_end(site)
        for site in NAMES:
            self.flip(site, "up")
            self.look()
        self.wait(timedelta(days=1))
        assert not self.world.records, "something is kept of what is over"
        assert all(state in {None, "calm"} for state in self.told.values()) or Topic.UP not in self.world.channel.topics

    def records(self) -> list[Record]:
        """Return the records of sites."""
        return [decode_record(text) for key, text in self.world.records.items() if key.startswith("record/")]

    def look(self) -> None:
        """Inspect what was sent since the last look."""
        new, self.seen = self.world.sent[self.seen :], len(self.world.sent)
        for message in new:
            assert message.created_at == self.now
            assert quiet_until(self.world.channel.quiet_hours, self.now) is None, "told in quiet hours"
            for line in message.payload["targets"]:
                self.look_at_line(Kind(line["kind"]), line)
        for site, told in self.told.items():
            is_paused = told == "flapping" and self.world.states[site] is State.PAUSED
            if is_paused and all(record.target != site for record in self.records()):
                self.told[site] = None  # it calmed down without a watcher

    def look_at_line(self, kind: Kind, line: dict[str, object]) -> None:
        """Compare a line with the actual states."""
        world, site, flip_id = self.world, str(line["name"]), str(line["flip_id"])
        incident, alerts = world.incidents.get(site), world.targets[site].alerts
        told = self.told.get(site)
        group = world.targets[site].group
        assert not any(one.covers(site, group, self.now) for one in world.silences), "told in a silence"
        assert not (kind is not Kind.UP and world.states[site] is State.MAINTENANCE), "told in a maintenance"
        routes = alerts.routes
        after = 0.0 if routes is None else next((one.after_seconds for one in routes if one.channel == "ops"), None)
        if kind in OPENINGS or kind is Kind.REMINDER:
            assert incident is not None, "an alert without an incident"
            assert (incident.trouble, str(incident.flip.flip_id)) == (line["state"], flip_id), (
                "an alert of something else"
            )
            self.look_at_parents(kind, site, incident.flip.at)
            if incident.trouble is State.UNKNOWN:
                assert kind is Kind.REMINDER or can_tell_of_any(world.view), "told, though nothing is known"
            assert after is not None, "told to a channel that is not wanted"
        if kind in OPENINGS:
            assert self.told_flips.get(site) != flip_id, "told twice"
            assert (kind is Kind.ESCALATION) == (bool(after) and told is None)
            assert told != "flapping", "told while it flaps"
            self.told[site], self.told_flips[site] = State(str(line["state"])), flip_id
        elif kind is Kind.REMINDER:
            assert told == line["state"], "reminded of what was not told"
            assert self.told_flips[site] == flip_id
            acked_at = self.acked_at.get(site)
            assert acked_at is None or acked_at < incident.since, "reminded of what is known"  # type: ignore[union-attr]
            self.reminded[site, flip_id] += 1
            self.look_at_reminders(site, flip_id, incident.flip.at)  # type: ignore[union-attr]
        elif kind is Kind.UP:
            assert self.visible(site) is None, "the end of what goes on"
            assert told != "flapping" or line["state"] == State.PAUSED, "told while it flaps"
            if told is None:
                assert not after, "an end without a beginning"
                assert line["duration_ms"] is not None
                assert line["before"] != State.UNKNOWN
            self.told[site] = self.told_flips[site] = None
        elif kind is Kind.FLAPPING:
            if told == "flapping":
                visible = self.visible(site)
                self.told[site] = visible
                self.told_flips[site] = flip_id if visible is not None else None
            else:
                self.told[site] = "flapping"

    def look_at_parents(self, kind: Kind, site: str, began_at: datetime) -> None:
        """Compare a site's line with the states of its dependencies."""
        target, view = self.world.targets[site], self.world.view
        assert parents_of(target.alerts.depends_on, view) is not Parents.OUT_OF_ORDER, "told, though a parent is down"
        back, rounds = self.last_return(site), timedelta(seconds=2 * target.interval_seconds)
        if kind in OPENINGS:
            assert began_at > back or self.now >= back + rounds, "told before two rounds after its parent"

    def last_return(self, site: str) -> datetime:
        """Return when the last of a site's dependencies by name came back."""
        parents = (one.target for one in self.world.targets[site].alerts.depends_on if one.target is not None)
        return max(filter(None, map(self.world.returns.of, parents)), default=START - YEAR)

    def look_at_reminders(self, site: str, flip_id: str, since: datetime) -> None:
        """Count reminders: their interval doubles up to a day."""
        interval, lasted = self.world.channel.reminder_interval_seconds, (self.now - since).total_seconds()
        most = lasted / 86_400 + log2(86_400 / interval) + 2
        assert self.reminded[site, flip_id] <= most, "too many reminders"

    def visible(self, site: str) -> State | None:
        """Return the trouble of a site that the channel was sent."""
        incident = self.world.incidents.get(site)
        return incident.trouble if incident and TOPICS[incident.trouble] in self.world.channel.topics else None

    def compare_in_the_end(self, site: str) -> None:
        """Compare what was sent about a site with its state, after days without events."""
        alerts, visible, told = self.world.targets[site].alerts, self.visible(site), self.told.get(site)
        assert told != "flapping"
        routes = alerts.routes
        after = 0.0 if routes is None else next((one.after_seconds for one in routes if one.channel == "ops"), None)
        if visible is None:
            assert told is None or Topic.UP not in self.world.channel.topics, "an end that was not told"
        elif after is not None and parents_of(alerts.depends_on, self.world.view) is not Parents.OUT_OF_ORDER:
            incident = self.world.incidents[site]
            assert incident is not None
            is_known = after and site in self.acked_at and self.acked_at[site] >= incident.since
            if not is_known and can_tell_of_any(self.world.view):
                assert told == visible, "what lasts was not told"


AS_IT_IS = Site(None, (), None, 2.0)
TELLING = Telling(frozenset(Topic), 0.0, 0.0, "channel", 0.0, ())

LATE_AT_NIGHT = [(12 * 3600, "down"), (10 * 3600, "up"), (0, "paused")]


@pytest.mark.slow
@example([AS_IT_IS] * SITES, TELLING, [Step(0, word, "S0", 5.0, is_restart=False) for word in ("flap", "paused")])
@example(
    [replace(AS_IT_IS, routes=(Route("ops", 900),))] * SITES,
    replace(TELLING, quiet_hours=(QuietHours(time(22), time(7), "Europe/Berlin"),)),
    [Step(pause, word, "S0", 5.0, is_restart=False) for pause, word in LATE_AT_NIGHT],
)
@given(sites(), TELLINGS, STEPS)
def test_a_year(sites: list[Site], telling: Telling, steps: list[Step]) -> None:
    messages = Year(sites, telling).live(steps)

    assert len({message.id for message in messages}) == len(messages)
    assert Year(sites, telling, restarts=True).live(steps) == messages
