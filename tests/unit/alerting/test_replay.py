"""Which messages a sequence of flips would have sent: one table, in virtual time."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, time, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.alerting.policy_world import CHANNEL, START, WHY, at, target_of, told
from watcher.alerting.replay import Replay
from watcher.model.alerts.channel import AlertmanagerReceiver, Route
from watcher.model.alerts.of_target import Dependency, TargetAlerts
from watcher.model.alerts.options import AlertingOptions
from watcher.model.alerts.silence import Ack, Silence
from watcher.model.alerts.windows import Maintenance, OnceWindow, QuietHours
from watcher.model.outcome import check_id
from watcher.model.resumption import NOT_WATCHED, RENAMED
from watcher.model.state import Flip, State

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Channel

HOUR, DAY = 3600, 86_400
SITES = (
    target_of("A", group="shop"),
    target_of("B", group="shop"),
    target_of("Child", alerts=TargetAlerts(depends_on=(Dependency(target="A"),))),
    target_of("Slow", alerts=TargetAlerts(routes=(Route("ops", 900),))),
)
NO_REMINDERS = replace(CHANNEL, reminder_interval_seconds=0)
QUIET = replace(NO_REMINDERS, quiet_hours=(QuietHours(time(0), time(1), "UTC"),))
MAINTENANCE = (Maintenance(OnceWindow(at(1000), 1000.0), targets=frozenset("AB")),)

# The channel's settings; the events: `seconds site state` for a state that started that many seconds before it was
# confirmed (`seconds-before`), and orders as `seconds site ack` and `from site silent until`; the messages within a
# day. Events before 0 are not shown.
TABLE: dict[str, tuple[Channel, str, list[str]]] = {
    "down and up": (NO_REMINDERS, "0 A down; 300 A up", ["10 down: A", "310 up: A"]),
    "together": (NO_REMINDERS, "0 A down; 2 B down; 9 B up; 50 B down", ["10 mixed: down A, up B", "70 down: B"]),
    "the order of a wait of another time": (
        replace(NO_REMINDERS, group_wait_seconds=60.0),
        "0 A down; 50 B down",
        ["60 down: A, B"],
    ),
    "open before is not told again, its end is": (NO_REMINDERS, "-9999 A down; 5 A unknown; 50 A up", ["60 up: A"]),
    "long open before": (
        NO_REMINDERS,
        "-9000000 A down; -8000000 A unknown; 5 A down; 50 A up",
        ["60 up: A"],
    ),
    "reminders go on": (
        replace(CHANNEL, reminder_interval_seconds=8 * HOUR),
        f"-{HOUR} A down; {12 * HOUR} A up",
        [f"{7 * HOUR + 10} reminder: A", f"{12 * HOUR + 10} up: A"],
    ),
    "a restart is nothing": (NO_REMINDERS, "0 A up; 50 A unknown; 60 A up", []),
    "another name is nothing": (
        NO_REMINDERS,
        "0 A down; 50 A renamed; 90 A down; 100 A up; 200 A down; 300 A paused",
        ["10 down: A", "110 up: A", "210 down: A", "310 up: A"],
    ),
    "an escalation": (
        NO_REMINDERS,
        "0 Slow down; 3000 Slow up; 4000 Slow down; 4100 Slow up",
        ["910 escalation: Slow", "3010 up: Slow"],
    ),
    "an acknowledgement": (NO_REMINDERS, "0 Slow down; 50 Slow ack", []),
    "quiet hours": (QUIET, "0 A down; 5 B down; 99 B up", [f"{HOUR} mixed: down A, up B"]),
    "a silence": (
        NO_REMINDERS,
        "0 A silent 500; 9 A down; 10 B down; 99 B silent 300; 100 B up",
        ["19 down: B", "300 up: B", "500 down: A"],
    ),
    "a dependency": (
        NO_REMINDERS,
        "-1 A up; 0 A down; 5 Child down; 900 Child up; 999 A up",
        ["10 down: A+1", "1009 up: A"],
    ),
    "a child that is confirmed before its parent": (
        NO_REMINDERS,
        "-1 A up; 0 Child down; 25-40 A down; 900 Child up; 999 A up",
        ["35 down: A+1", "1009 up: A"],
    ),
    "a window of today, in the past": (
        NO_REMINDERS,
        "1100 A down; 1200 B down; 1300 B up; 1500 Child down",
        ["2010 down: A+1"],
    ),
}


def replay_of(channel: Channel, story: str) -> tuple[Replay, list[Flip]]:
    """Parse a sequence of events."""
    flips, orders, states = [], list[Silence | Ack](), dict[str, State]()
    for number, step in enumerate(story.split("; ")):
        seconds, name, word, *until = step.split()
        confirmed, _, before = seconds.rpartition("-") if not seconds.startswith("-") else (seconds, "", "")
        moment = at(float(confirmed or seconds))
        match word:
            case "silent":
                orders.append(Silence(uuid.UUID(int=number), moment, at(float(until[0])), "", "", frozenset({name})))
            case "ack":
                orders.append(Ack(uuid.UUID(int=number), name, moment))
            case _:
                state, was = State("paused" if word == "renamed" else word), states.get(name, State.PENDING)
                states[name] = state
                by_check = state is not State.UNKNOWN
                began = moment - timedelta(seconds=float(before or 0) if confirmed else 0)
                cause = WHY if state is State.DOWN else None if by_check else NOT_WATCHED
                cause = RENAMED if word == "renamed" else cause
                which = check_id(name, "default", moment) if by_check else None
                flips.append(Flip(name, "default", began, moment, state, was, cause, which, number))
    options = AlertingOptions((channel,), maintenance=MAINTENANCE)
    return Replay(options, {target.name: target for target in SITES}, orders, START), flips


@pytest.mark.parametrize("case", TABLE)
def test_messages_that_would_have_been_sent(case: str) -> None:
    channel, story, expected = TABLE[case]
    replay, flips = replay_of(channel, story)
    messages = [message for flip in flips for message in replay.take(flip)]
    assert told([*messages, *replay.finish(START + timedelta(days=1))]) == expected


def test_counts() -> None:
    zones = {"ops": UTC}
    channels = (NO_REMINDERS, replace(CHANNEL, name="am", receiver=AlertmanagerReceiver("http://am.example/")))
    targets = {"A": target_of("A")}
    replay = Replay(AlertingOptions(channels), targets, (), START, zones)
    hours = {0: "down", 8: "up", 20: "down", 23: "up", 30: "down", 31: "up"}
    shown = 0
    for number, (hour, word) in enumerate({-9: "down", -8: "up", **hours}.items()):
        for name in ("A", "gone"):
            moment = at(hour * HOUR)
            shown += len(list(replay.take(Flip(name, "x", moment, moment, State(word), State.UP, number=number))))
    assert shown + len(list(replay.finish(at(9 * DAY)))) == len(hours)
    tally = replay.tallies["ops"]
    assert (list(replay.tallies), dict(replay.left_out)) == (["ops"], {"gone": 6})
    assert (dict(tally.kinds), tally.at_night) == ({"down": 3, "up": 3}, 3)
    assert tally.worst_day == (date(2026, 1, 5), 4)
