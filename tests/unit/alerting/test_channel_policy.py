"""Which messages a channel gets for which events of sites: one table."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.alerting.policy_world import CHANNEL, World, at, flip_of_word, target_of, told
from watcher.alerting.policy.encoding import decode_event, encode_event
from watcher.alerting.policy.event import AlertEvent, Certificate, Change
from watcher.alerting.policy.incidents import follow
from watcher.model.alerts.channel import Route, Topic
from watcher.model.alerts.of_target import Dependency, TargetAlerts
from watcher.model.alerts.silence import Ack, Silence
from watcher.model.alerts.windows import QuietHours
from watcher.model.conclusion import flips_of_change
from watcher.model.state import Sighting, Standing, State, Thresholds

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Notification

HOUR, DAY = 3600, 86_400
AHEAD = 5 * DAY
ESCALATED = TargetAlerts(routes=(Route("ops", 900),))
SITES = (
    target_of("A", group="shop"),
    target_of("B", group="shop"),
    target_of("C"),
    target_of("Child", alerts=TargetAlerts(depends_on=(Dependency(target="A"),))),
    target_of("Leaf", alerts=TargetAlerts(depends_on=(Dependency(group="shop"),))),
    target_of("Slow", alerts=ESCALATED),
    target_of("Late", alerts=replace(ESCALATED, depends_on=(Dependency(target="A"),))),
    target_of("Other", alerts=TargetAlerts(routes=(Route("pager"),))),
    target_of("Never", alerts=TargetAlerts(routes=())),
)
NO_REMINDERS = replace(CHANNEL, reminder_interval_seconds=0)
ALL_TOPICS = replace(NO_REMINDERS, topics=frozenset(Topic))
BY_GROUP = replace(NO_REMINDERS, group_by="group")
WITHOUT_UP = replace(NO_REMINDERS, topics=frozenset({Topic.DOWN}))
QUIET = replace(
    CHANNEL,
    reminder_interval_seconds=HOUR,
    quiet_hours=(QuietHours(time(0, 0, 20), time(0, 10), "UTC"), QuietHours(time(1, 0), time(1, 10), "UTC")),
)

# The channel's settings; the events as `seconds site event` (a silence of a site is `from site silent until`), and
# the waiting time at the end; the expected messages.
TABLE: dict[str, tuple[Channel, str, list[str]]] = {
    "down and up": (CHANNEL, "0 A down; 300 A up; 9999", ["10 down: A", "310 up: A"]),
    "together": (
        NO_REMINDERS,
        "0 A down; 2 B down; 9 C down; 12 Slow down; 999",
        ["10 down: A, B, C", "922 escalation: Slow"],
    ),
    "later ones join the next": (
        NO_REMINDERS,
        "0 A down; 20 B down; 50 C down; 999",
        ["10 down: A", "70 down: B, C"],
    ),
    "the interval is over": (NO_REMINDERS, "0 A down; 200 B down; 999", ["10 down: A", "210 down: B"]),
    "several kinds": (NO_REMINDERS, "0 A down; 60 A up; 65 B down; 999", ["10 down: A", "70 mixed: up A, down B"]),
    "by group": (BY_GROUP, "0 A down; 1 B down; 2 C down; 999", ["10 down: A, B", "12 down: C"]),
    "opened and closed while it waits": (NO_REMINDERS, "0 A down; 4 A up; 999", ["10 up: A"]),
    "closed and opened while it waits": (
        NO_REMINDERS,
        "0 A down; 20 A up; 30 A down; 999",
        ["10 down: A", "70 down: A"],
    ),
    "nothing of other channels": (NO_REMINDERS, "0 Other down; 0 Never down; 999", []),
    "a new channel is told what is open": (
        NO_REMINDERS,
        "0 A down; 0 B down; 0 Slow down; 0 Other down; 50 B up; 200 ops new; 203 A degraded; 206 A down; "
        "300 A up; 999",
        ["10 down: A, B", "70 up: B", "210 down: A", "310 up: A", "910 escalation: Slow"],
    ),
    "a channel is named": (
        NO_REMINDERS,
        "0 Other down; 0 Never down; 50 A down; 100 Other named; 150 A named; 300 Other up; 999",
        ["60 down: A", "120 down: Other", "310 up: Other"],
    ),
    "up is not wanted": (WITHOUT_UP, "0 A down; 60 A up; 100 A down; 102 A up; 999", ["10 down: A"]),
    "degraded is not wanted": (
        NO_REMINDERS,
        "0 A degraded; 100 A down; 200 A degraded; 300 A up; 999",
        ["110 down: A", "210 up: A"],
    ),
    "degraded is wanted": (
        ALL_TOPICS,
        "0 A degraded; 100 A down; 200 A degraded; 300 A up; 999",
        ["10 degraded: A", "110 down: A", "210 degraded: A", "310 up: A"],
    ),
    "a restart": (
        NO_REMINDERS,
        "0 A down; 100 A restart; 100 B restart; 110 A down; 110 B up; 200 A restart; 210 A up; 999",
        ["10 down: A", "220 up: A"],
    ),
    "the monitor cannot tell": (NO_REMINDERS, "0 A blind; 100 A up; 999", ["10 unknown: A", "110 up: A"]),
    "the monitor cannot tell of anything": (
        NO_REMINDERS,
        " ".join(f"0 {site.name} blind;" for site in SITES) + "100 B up; 100 A up; 999",
        ["120 unknown: C, Child, Leaf", "910 escalation: Late, Slow"],
    ),
    "a pause": (
        CHANNEL,
        f"0 A down; 100 A paused; 200 B down; 203 B paused; {5 * HOUR}",
        ["10 down: A", "110 up: A"],
    ),
    "a pause is taken back": (
        NO_REMINDERS,
        "0 A down; 100 A paused; 105 A restart; 107 A down; 999",
        ["10 down: A", "110 down: A"],
    ),
    "a pause while it flaps": (
        NO_REMINDERS,
        "; ".join(
            f"{seconds} {site} {'up' if seconds % 400 else 'down'}"
            for seconds in range(0, 1401, 200)
            for site in ("A", "B")
        )
        + "; 1500 A down; 1550 A paused; 1550 B paused; 9999",
        [
            *("10 down: A, B", "210 up: A, B", "410 down: A, B", "610 up: A, B", "810 down: A, B", "1010 up: A, B"),
            *("1210 flapping: A, B", "1560 up: A", "5000 up: B"),
        ],
    ),
    "a maintenance": (
        NO_REMINDERS,
        "0 A down; 5 B down; 12 A maintenance; 12 B maintenance; 100 A down; 100 B up; "
        "200 C maintenance; 300 C down; 400 A maintenance; 500 A up; 999",
        ["10 down: A, B", "110 up: B", "310 down: C", "510 up: A"],
    ),
    "a maintenance begins before it is told": (
        NO_REMINDERS,
        "0 A down; 0 B down; 5 A maintenance; 6 B maintenance; 100 A down; 200 B up; 999",
        ["120 down: A"],
    ),
    "reminders": (
        replace(CHANNEL, reminder_interval_seconds=4 * HOUR),
        f"0 A down; {5 * DAY} A up; {6 * DAY}",
        ["10 down: A", *(f"{10 + hours * HOUR} reminder: A" for hours in (4, 12, 28, 52, 76, 100)), "432010 up: A"],
    ),
    "reminders are together": (
        replace(CHANNEL, reminder_interval_seconds=HOUR),
        "0 A down; 600 B down; 890 C down; 9000",
        ["10 down: A", "610 down: B", "900 down: C", "3610 reminder: A, B, C"],
    ),
    "an acknowledgement": (CHANNEL, f"0 A down; 60 A ack; 120 Slow down; 180 Slow ack; {2 * DAY}", ["10 down: A"]),
    "an acknowledgement ends with the incident": (
        CHANNEL,
        f"0 A down; 60 A ack; 120 A up; 600 A down; {5 * HOUR}",
        ["10 down: A", "130 up: A", "610 down: A", "15010 reminder: A"],
    ),
    "an escalation": (NO_REMINDERS, "0 Slow down; 950 Slow up; 9999", ["910 escalation: Slow", "970 up: Slow"]),
    "no escalation": (NO_REMINDERS, "0 Slow down; 899 Slow up; 9999", []),
    "a silence": (
        CHANNEL,
        "0 A silent 500; 0 C down; 20 A down; 30 B down; 40 B silent 600; 200 B up; 9999",
        ["10 down: C", "500 down: A"],
    ),
    "a resolve in a silence": (
        NO_REMINDERS,
        "0 A down; 0 B down; 20 A silent 500; 20 B silent 500; 100 A up; 200 B up; 300 B down; 999",
        ["10 down: A, B", "500 mixed: up A, down B"],
    ),
    "a silence is ended": (NO_REMINDERS, "0 A silent 9000; 20 A down; 60 A stale; 100 A loud; 999", ["100 down: A"]),
    "opened and closed in a silence": (
        NO_REMINDERS,
        "0 A silent 8; 2 A down; 5 A up; 100 A silent 104; 102 A down; 108 A up; 999",
        [],
    ),
    "what depends on it": (
        NO_REMINDERS,
        "0 Child down; 6 A down; 7 Leaf down; 300 A up; 310 Child up; 999",
        ["10 down: A+1, Leaf", "310 up: A"],
    ),
    "a group is down when all of it is": (
        NO_REMINDERS,
        "0 A down; 1 B down; 2 Leaf down; 100 A up; 500 Leaf up; 999",
        ["10 down: A+1, B+1", "110 up: A", "170 down: Leaf", "510 up: Leaf"],
    ),
    "it stays down after its parent": (
        NO_REMINDERS,
        "0 A down; 20 Child down; 300 A up; 999",
        ["10 down: A", "310 up: A", "370 down: Child"],
    ),
    "its parent is down once more": (
        NO_REMINDERS,
        "0 A down; 20 Child down; 300 A up; 315 A down; 600 Child up; 999",
        ["10 down: A", "310 up: A", "370 down: A+1"],
    ),
    "it is to be told soon after its parent is back": (
        replace(NO_REMINDERS, group_interval_seconds=0),
        "0 Late down; 5 Child silent 320; 100 A down; 110 Child down; 310 A up; 325 Child up; 500 Leaf silent 520; "
        "500 A down; 500 B down; 505 Leaf down; 515 B up; 600 A maintenance; 895 A up; 9999",
        [
            "110 down: A",
            "320 up: A",
            "510 down: A, B",
            "525 up: B",
            "535 down: Leaf",
            "905 up: A",
            "925 escalation: Late",
        ],
    ),
    "it goes down after its parent is back": (
        NO_REMINDERS,
        "0 A down; 200 A up; 210 Child down; 999",
        ["10 down: A", "210 up: A", "270 down: Child"],
    ),
    "its parent is in maintenance": (
        NO_REMINDERS,
        "0 A maintenance; 20 Child down; 100 A up; 999",
        ["140 down: Child"],
    ),
    "its end is told while its parent is down": (
        NO_REMINDERS,
        "0 A stale; 0 Child down; 5 A checked; 20 A down; 200 Child up; 999",
        ["10 down: Child", "70 down: A", "210 up: Child"],
    ),
    "its parent is not checked": (NO_REMINDERS, "0 A stale; 0 Child down; 999", ["30 down: Child"]),
    "its parent is in doubt": (
        NO_REMINDERS,
        "0 A doubtful; 0 Child down; 15 A down; 999",
        ["25 down: A+1"],
    ),
    "certificates": (
        NO_REMINDERS,
        "0 A certificate 21; 5 C down; 6 Other certificate 7; 7 Slow certificate 7; 100 B silent 500; "
        "110 B certificate 7; 120 B certificate 1; 600 C maintenance; 601 C certificate 1; 700 C up; 999",
        ["10 mixed: certificate A, down C", "500 certificate: B", "710 up: C", "770 certificate: C"],
    ),
    "no network": (NO_REMINDERS, "600 network since 0; 999", ["600 connectivity: The monitor had no network for 10m"]),
    "quiet hours": (
        QUIET,
        "0 A down; 30 B down; 100 A up; 120 A down; 200 B up; 550 Child down; 610 network since 550; 999",
        ["10 down: A", "600 mixed: down A+1, up B", "610 connectivity: The monitor had no network for 1m"],
    ),
    "quiet hours and what was told": (
        QUIET,
        "0 A down; 0 C down; 30 A up; 100 Leaf down; 110 network since 20; 9999",
        [
            "10 down: A, C",
            "600 connectivity: The monitor had no network for 1m 30s",
            "600 mixed: up A, down Leaf",
            "4200 reminder: C, Leaf",
        ],
    ),
    "the clock is set back while it waits": (
        NO_REMINDERS,
        f"{AHEAD} A down; 5; 6 B down; 100 A up; 999",
        ["15 down: A, B", "110 up: A"],
    ),
    "the clock is set back after it was told, and while others wait for longer": (
        replace(CHANNEL, reminder_interval_seconds=HOUR),
        f"{AHEAD} A down; {AHEAD + 11} B stale; {AHEAD + 12} Leaf down; {AHEAD + 12} Child down; "
        f"{AHEAD + 12} Slow down; {AHEAD + 12} C silent {AHEAD + 500}; {AHEAD + 13} C down; 100; 300 A up; 9999",
        [
            *("432010 down: A", "160 down: C, Leaf", "310 up: A", "370 down: Child", "1010 escalation: Slow"),
            "3760 reminder: C, Leaf, Child, Slow",
        ],
    ),
    "the clock is set back before a reminder": (
        replace(CHANNEL, reminder_interval_seconds=HOUR),
        f"{AHEAD} A down; {AHEAD + 3000}; 100; 9999",
        ["432010 down: A", "3700 reminder: A"],
    ),
    "the clock is set back in quiet hours": (
        QUIET,
        f"{AHEAD + 30} A down; 30; 9999",
        ["600 down: A", "4200 reminder: A"],
    ),
    "the clock is set back while it flaps": (
        NO_REMINDERS,
        "; ".join(f"{AHEAD + seconds} A {'up' if seconds % 200 else 'down'}" for seconds in range(0, 601, 100))
        + "; 100; 9999",
        [
            *("432010 down: A", "432110 up: A", "432210 down: A", "432310 up: A", "432410 down: A", "432510 up: A"),
            *("110 flapping: A", "3700 flapping: A"),
        ],
    ),
    "flapping": (
        NO_REMINDERS,
        "; ".join(f"{seconds} A {'up' if seconds % 600 else 'down'}" for seconds in range(0, 3001, 300))
        + f"; 3000 A down; {3 * HOUR} A up; {4 * HOUR}",
        [
            *("10 down: A", "310 up: A", "610 down: A", "910 up: A", "1210 down: A", "1510 up: A"),
            *("1810 flapping: A", "6600 flapping: A", "10810 up: A"),
        ],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_messages_of_a_channel(name: str) -> None:
    channel, script, expected = TABLE[name]

    messages = _played(channel, script)

    assert told(messages) == expected
    assert len({message.id for message in messages}) == len(messages)


@pytest.mark.parametrize("name", TABLE)
def test_a_restart_changes_nothing(name: str) -> None:
    channel, script, _ = TABLE[name]

    assert _played(channel, script, restarts=True) == _played(channel, script)


def test_a_new_channel_gets_lasting_incidents_after_a_restart_once_they_are_known() -> None:
    script = "0 B down; 1 A down; 90 A restart; 90 B restart; 100 ops new; 110 B up; 121 A down; 999"

    assert told(_played(NO_REMINDERS, script)) == ["10 down: B, A", "135 down: A"]


def test_two_replicas_that_tell_of_the_same_outage_send_messages_with_the_same_ids() -> None:
    first, second = World(SITES, NO_REMINDERS), World(SITES, NO_REMINDERS)
    for world, seconds in ((first, 0), (second, 7)):
        for event in _outage(at(seconds), at(300 + seconds)):
            _hear(world, event)

    assert told(first.sent) == ["10 down: A", "310 up: A"]
    assert [message.id for message in first.sent] == [message.id for message in second.sent]

    _hear(second, _outage(at(900), at(999), up_since=at(307))[0])
    assert second.sent[-1].id not in {message.id for message in first.sent}


@pytest.mark.parametrize("seconds", [7, 40])
def test_an_outage_found_by_two_replicas_is_sent_once(seconds: int) -> None:
    world = World(SITES, NO_REMINDERS)
    events = [*_outage(at(0), at(300)), *_outage(at(seconds), at(300 + seconds), up_since=at(-1800))]
    for event in sorted(events, key=lambda event: event.at):
        _hear(world, event)
    opened = events[2].incident
    assert opened is not None
    world.policy.take_open([opened], at(345))  # as the slower replica has it until then
    world.wait_until(at(999))

    assert told(world.sent) == ["10 down: A", "310 up: A"]


def test_an_outage_found_by_others_is_sent_also_soon_after_another_one() -> None:
    world = World(SITES, ALL_TOPICS)
    for event in _outage(at(0), at(100)):
        _hear(world, event)
    opened = _outage(at(200), at(300))[0].incident
    assert opened is not None
    world.states["A"] = State.DOWN
    assert world.policy.lacks("default", "A", world.view)
    world.policy.take_open([opened], at(210))
    world.wait_until(at(299))

    assert told(world.sent) == ["10 down: A", "110 up: A", "220 down: A"]


def _outage(began: datetime, ended: datetime, up_since: datetime | None = None) -> list[AlertEvent]:
    """Return a replica's messages about an outage, where it knows since when the site was up before."""
    standing = Standing(State.UP, up_since or at(-3600), State.UP, flips=3)
    incident, events = None, list[AlertEvent]()
    for moment, state in ((began, State.DOWN), (ended, State.UP)):
        after = standing.after(Sighting(state, moment), Thresholds(1, 1))
        (flip,) = flips_of_change("A", "default", standing, after, moment)
        flip = replace(flip, last_up_at=moment - timedelta(seconds=60))
        standing, was = after, incident
        incident, change = follow(was, flip)
        assert change is not None
        events.append(AlertEvent(0, change, moment, incident or was, flip, "A", "default"))
    return [decode_event(0, encode_event(event)) for event in events]


def _hear(world: World, event: AlertEvent) -> None:
    assert event.flip is not None
    world.wait_until(event.at)
    world.states["A"] = event.flip.state
    world.policy.take(event, world.view)
    world.decide(event.at)
    world.wait_until(event.at + timedelta(seconds=20))


def _played(channel: Channel, script: str, *, restarts: bool = False) -> list[Notification]:
    world = World(SITES, channel)
    for words in (step.split() for step in script.split(";")):
        moment = at(float(words[0]))
        world.wait_until(moment)
        match words[1:]:
            case []:
                pass
            case [site, "silent", end]:
                silence = Silence(uuid.uuid4(), moment, at(float(end)), "moving", targets=frozenset({site}))
                world.silences = (*world.silences, silence)
            case ["network", "since", start]:
                world.notice(moment, change=Change.CONNECTIVITY, gap_start=at(float(start)))
            case [site, "certificate", days]:
                ending = Certificate(int(days), moment + timedelta(days=int(days)))
                world.notice(moment, change=Change.CERTIFICATE, target=site, location="default", certificate=ending)
            case ["ops", "new"]:
                world.records.clear()
                world.restart(moment)
            case [site, "named"]:
                world.targets |= {site: replace(world.targets[site], alerts=TargetAlerts())}
                world.hear_of_open(moment)
            case [site, "loud"]:
                world.silences = tuple(replace(one, end=moment) for one in world.silences)
            case [site, "ack"]:
                world.acks = (*world.acks, Ack(uuid.uuid4(), site, moment))
            case [site, "checked"]:
                world.stale.discard(site)
            case [site, "stale"]:
                world.stale.add(site)
            case [site, "doubtful"]:
                world.in_doubt.add(site)
            case [site, word]:
                if world.states[site] != word:
                    flip_of_word(world, moment, site, word)
        world.decide(moment)
        if restarts:
            world.restart(moment)
            world.decide(moment)
    assert all(state is not State.PENDING for state in world.states.values())
    return list(world.sent)
