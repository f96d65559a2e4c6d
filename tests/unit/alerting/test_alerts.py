"""Deciders and senders of alerts, with a real outbox and receivers in memory: what they send and what they record."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections import defaultdict
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import a_target
from watcher.alerting.alerts import Alerts
from watcher.alerting.messages import set_channels, waiting_of
from watcher.alerting.policy.encoding import encode_event
from watcher.alerting.policy.event import AlertEvent, Change
from watcher.alerting.policy.view import View
from watcher.alerting.table_events import TableEvents
from watcher.model.alerts.channel import AlertmanagerReceiver, Channel, WebhookReceiver
from watcher.model.alerts.notification import Delivered, Delivery, Notification, Refused, TryAgain
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, State
from watcher.outbox.flip_door import MAX_AT_ONCE, record_flips
from watcher.outbox.outbox import Outbox
from watcher.outbox.shared_alerts import Step
from watcher.outbox.thread import OutboxThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from watcher.model.target import Target

NAMES = [f"site {number}" for number in range(10)]
TARGETS = {name: replace(a_target(), name=name) for name in NAMES}
ALL_WELL = Delivered("200 OK")


def a_channel(name: str, **options: Any) -> Channel:
    timing = {"group_wait_seconds": 0.0, "group_interval_seconds": 0.0, **options}
    return Channel(name, WebhookReceiver("http://hook.example/"), **timing)


@dataclass
class Receivers:
    """Receivers in memory; `answers` are the replies to successive messages, and success after those."""

    answers: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    hanging: set[str] = field(default_factory=set)
    got: dict[str, list[Notification]] = field(default_factory=lambda: defaultdict(list))
    posted: list[dict[str, Any]] = field(default_factory=list)

    async def deliver(self, notification: Notification, channel: Channel) -> Delivery:
        if channel.name in self.hanging:
            await trio.sleep_forever()
        self.got[channel.name].append(notification)
        waiting = self.answers[channel.name]
        return waiting.pop(0) if waiting else ALL_WELL

    async def post_alerts(self, alerts: Sequence[dict[str, Any]], channel: Channel) -> Delivery:
        self.posted += alerts
        waiting = self.answers[channel.name]
        return waiting.pop(0) if waiting else ALL_WELL

    def told(self, channel: str) -> list[str]:
        return [one.payload["title"] for one in self.got[channel]]


class World:
    """Alerts over an outbox."""

    def __init__(self, alerts: Alerts, disk: OutboxThread, receivers: Receivers, states: dict[str, State]) -> None:
        self.alerts, self.disk, self.receivers, self.states = alerts, disk, receivers, states
        self._flips = 0

    async def flip(self, name: str, state: State, before: State) -> None:
        """Record a flip of a site now."""
        self._flips += 1
        now = datetime.now(UTC)
        cause = Fault(Reason.STATUS, "503 Service Unavailable") if state is State.DOWN else None
        flip = Flip(name, "default", now, now, state, before, cause, None, self._flips)
        self.states[name] = state
        await self.disk.run(lambda outbox: record_flips(outbox, [flip], now=now.timestamp()))
        self.alerts.look()

    async def down(self, name: str) -> None:
        await self.flip(name, State.DOWN, State.UP)

    async def up(self, name: str) -> None:
        await self.flip(name, State.UP, State.DOWN)

    async def rows(self) -> list[dict[str, Any]]:
        """Return the rows on their way to the table, in order."""
        entries = await self.disk.run(lambda outbox: outbox.peek(10**6, 10**9))
        return [json.loads(entry.payload) for entry in entries if entry.kind == "notification"]

    async def last_rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in await self.rows()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@asynccontextmanager
async def at_work(
    path: Path, *channels: Channel, receivers: Receivers | None = None, targets: Mapping[str, Target] = TARGETS
) -> AsyncIterator[World]:
    disk, receivers, states = OutboxThread(Outbox(path)), receivers or Receivers(), dict.fromkeys(targets, State.UP)
    view = View(targets, states.get, lambda _name: None)
    alerts = Alerts(disk, lambda: view)
    await alerts.note_channels(channels)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alerts.run, channels, receivers)
        await trio.testing.wait_all_tasks_blocked()
        yield World(alerts, disk, receivers, states)
        alerts.close()
    await disk.run(Outbox.close)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110  # threads and several tasks have their part in it
            await trio.sleep(0.005)


async def test_each_channel_gets_a_message_once_and_its_result_is_recorded(path: Path) -> None:
    async with at_work(path, a_channel("a"), a_channel("b")) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.results["a", "sent"] == world.alerts.results["b", "sent"] == 1)
        rows = await world.rows()
        ids = {channel: str(world.receivers.got[channel][0].id) for channel in ("a", "b")}
        assert {(row["id"], row["channel"], row["kind"]) for row in rows} == {
            (ids[channel], channel, "down") for channel in ("a", "b")
        }
        last = await world.last_rows()
        assert all(row["sent_at"] and row["tries"] == 1 and row["answer"] == "200 OK" for row in last.values())
        assert world.alerts.pending == 0
        left = await world.disk.run(
            lambda outbox: outbox.read(
                "SELECT (SELECT count(*) FROM alert_events), (SELECT count(*) FROM notifications)"
            )
        )
        assert left == [(0, 0)], "what all have taken in, and what is sent, is kept no longer"


@pytest.mark.slow
async def test_a_receiver_that_hangs_or_fails_holds_up_no_other(path: Path) -> None:
    receivers = Receivers(hanging={"hangs"})
    receivers.answers["fails"] = [TryAgain("500 Internal Server Error")] * 2
    async with at_work(path, *map(a_channel, ("hangs", "fails", "works")), receivers=receivers) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.results["works", "sent"])
        await until(lambda: world.alerts.results["fails", "sent"])
        assert world.alerts.pending == 1
        assert len({one.id for one in receivers.got["fails"]}) == 1, "a second try is of the same message"
        (row,) = [row for row in (await world.last_rows()).values() if row["channel"] == "fails"]
        assert (row["tries"], bool(row["sent_at"])) == (3, True)


async def test_messages_unsent_at_the_stop_are_sent_after_the_next_start_with_the_same_id(path: Path) -> None:
    async with at_work(path, a_channel("ops"), receivers=Receivers(hanging={"ops"})) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.pending)
        rows = await world.rows()
    async with at_work(path, a_channel("ops")) as world:
        await until(lambda: world.receivers.got["ops"])
        assert [str(one.id) for one in world.receivers.got["ops"]] == [rows[0]["id"]]
    async with at_work(path, a_channel("ops")) as world:
        await world.up("site 1")
        await until(lambda: world.receivers.got["ops"])
        assert world.receivers.told("ops") == ["site 1 is up"]


async def test_permanent_errors_are_given_up_and_reported_once_to_another_channel(path: Path) -> None:
    receivers = Receivers()
    receivers.answers["gone"] = [Refused("410 Gone")] * 3
    async with at_work(path, a_channel("gone"), a_channel("ops"), receivers=receivers) as world:
        for number, name in enumerate(NAMES[:3], 1):
            await world.down(name)
            await until(lambda number=number: world.alerts.results["gone", "given_up"] == number)  # type: ignore[misc]
            await until(lambda number=number: len(receivers.got["ops"]) == 1 + number)  # type: ignore[misc]
        assert receivers.told("ops").count("Notifications to gone fail") == 1
        given_up = [row for row in (await world.last_rows()).values() if row["channel"] == "gone"]
        assert {(row["error"], bool(row["given_up_at"])) for row in given_up} == {("410 Gone", True)}


async def test_messages_undeliverable_for_too_long_are_given_up(path: Path) -> None:
    receivers = Receivers()
    receivers.answers["ops"] = [TryAgain("503 Service Unavailable")] * 9
    async with at_work(path, a_channel("ops", give_up_after_seconds=0.1), receivers=receivers) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.results["ops", "given_up"])
        (row,) = (await world.last_rows()).values()
        assert (row["error"], row["tries"]) == ("503 Service Unavailable", 1)


async def test_a_changed_channel_keeps_its_queue_and_that_of_a_removed_one_is_given_up(path: Path) -> None:
    receivers = Receivers()
    receivers.answers["ops"], receivers.answers["old"] = [TryAgain("away")] * 1, [TryAgain("away")] * 9
    ops = a_channel("ops")
    async with at_work(path, ops, a_channel("old"), receivers=receivers) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.results["ops", "failed"] and world.alerts.results["old", "failed"])
        changed = replace(ops, timeout_seconds=3.0)
        await world.alerts.change([changed, a_channel("new")])
        await until(lambda: world.alerts.results["ops", "sent"])
        await until(lambda: receivers.got["new"])
        await world.up("site 1")
        await until(lambda: len(receivers.got["ops"]) == 3 and len(receivers.got["new"]) == 2)
        assert receivers.told("new") == ["site 1 is down", "site 1 is up"], "it is told what is open"
        (row,) = [row for row in (await world.last_rows()).values() if row["channel"] == "old"]
        assert row["error"] == "the channel was taken out of the configuration"
        assert world.alerts.results["old", "given_up"] == 1
        assert dict(world.alerts.results)["new", "given_up"] == 0, "it is counted before there is any"


class LongestStep(trio.abc.Instrument):
    """The longest time that a task held the loop without a checkpoint, in seconds of this thread's processor time."""

    def __init__(self) -> None:
        self.seconds, self._begin = 0.0, math.inf

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self._begin = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.name.startswith(("watcher.", "channel ")):
            self.seconds = max(self.seconds, time.thread_time() - self._begin)


@pytest.mark.slow
async def test_thousands_of_flips_at_once_are_one_message_per_group_and_delay_nothing(path: Path) -> None:
    names = {f"site {number}": f"group {number % 3}" for number in range(3000)}
    targets = {name: a_target(name, group=group) for name, group in names.items()}
    one, three = a_channel("one", group_wait_seconds=1.0), a_channel("three", group_wait_seconds=1.0, group_by="group")
    longest, now = LongestStep(), datetime.now(UTC)
    flips = [Flip(name, "default", now, now, State.DOWN, State.UP, None, None, 1) for name in names]
    async with at_work(path, one, three, targets=targets) as world:
        trio.lowlevel.add_instrument(longest)
        for begin in range(0, len(flips), MAX_AT_ONCE):
            some = flips[begin : begin + MAX_AT_ONCE]
            await world.disk.run(partial(record_flips, flips=some, now=now.timestamp()))
            world.alerts.look()
        got = world.receivers.got
        await until(lambda: sum(len(one.members) for name in ("one", "three") for one in got[name]) == 2 * len(names))
        trio.lowlevel.remove_instrument(longest)
    assert [len(message.members) for message in got["one"]] == [3000]
    assert sorted(len(message.members) for message in got["three"]) == [1000, 1000, 1000]
    assert (len(got["one"][0].payload["targets"]), got["one"][0].payload["more"]) == (50, 2950)
    assert longest.seconds < 0.05

    # After a restart, the known incidents are resumed.
    async with at_work(path, one, three, targets=targets) as world:
        trio.lowlevel.add_instrument(longest)
        up = Flip("site 0", "default", now, now, State.UP, State.DOWN, None, None, 2)
        await world.disk.run(partial(record_flips, flips=[up], now=now.timestamp()))
        world.alerts.look()
        await until(lambda: len(world.receivers.got) == 2)
        trio.lowlevel.remove_instrument(longest)
    assert longest.seconds < 0.05


async def test_an_alertmanager_gets_open_and_ended_incidents_also_across_a_restart(path: Path) -> None:
    channel = Channel("am", AlertmanagerReceiver("http://am.example"))
    async with at_work(path, channel) as world:
        await world.down("site 1")
        await until(lambda: world.alerts.results["am", "sent"])
        await until(lambda: not events_left(world.disk.outbox))
        assert {alert["labels"]["target"] for alert in world.receivers.posted} == {"site 1"}
    async with at_work(path, channel) as world:
        await until(lambda: world.receivers.posted)
        await world.up("site 1")
        await until(lambda: len(world.receivers.posted) >= 2)
        begun, ended = world.receivers.posted[0], world.receivers.posted[-1]
        assert begun["labels"] == ended["labels"]
        assert ended["endsAt"] < (datetime.now(UTC) + timedelta(seconds=1)).isoformat() < begun["endsAt"]


async def test_rows_of_a_damaged_disk_are_dropped_and_all_others_sent(path: Path) -> None:
    outbox, now = Outbox(path), datetime.now(UTC)
    set_channels(outbox, {"ops"}, now.timestamp())
    flips = [Flip(name, "default", now, now, State.DOWN, State.UP, None, None, 1) for name in NAMES[:2]]
    record_flips(outbox, flips, now=now.timestamp())
    spoil = "UPDATE alert_events SET payload = '{' WHERE number = (SELECT min(number) FROM alert_events)"
    outbox.put((), now=0.0, alongside=lambda database: database.execute(spoil))
    outbox.close()
    async with at_work(path, a_channel("ops")) as world:
        await until(lambda: world.receivers.got["ops"])
        assert world.receivers.told("ops") == ["site 1 is down"]


@pytest.mark.parametrize("position", ["'abc'", str(2**62)])
async def test_a_channel_with_a_damaged_position_reads_all_waiting_events(path: Path, position: str) -> None:
    outbox, now = Outbox(path), datetime.now(UTC)
    set_channels(outbox, {"ops", "dev"}, now.timestamp())
    record_flips(
        outbox, [Flip("site 0", "default", now, now, State.DOWN, State.UP, None, None, 1)], now=now.timestamp()
    )
    spoil = f"UPDATE channels SET position = {position} WHERE channel = 'ops'"
    outbox.put((), now=0.0, alongside=lambda database: database.execute(spoil))
    outbox.close()
    async with at_work(path, a_channel("ops"), a_channel("dev")) as world:
        await until(lambda: world.receivers.got["ops"] and world.receivers.got["dev"])
        assert world.receivers.told("ops") == world.receivers.told("dev") == ["site 0 is down"]
        await world.down("site 1")
        await until(lambda: len(world.receivers.told("ops")) == len(world.receivers.told("dev")) == 2)
        await until(lambda: not events_left(world.disk.outbox))


async def test_senseless_rows_are_dropped_with_a_line_and_all_others_sent(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hung = Receivers(hanging={"ops"})
    async with at_work(path, a_channel("ops", group_by="target"), receivers=hung) as world:
        for name in NAMES[:5]:
            await world.down(name)
        await until(lambda: world.disk.outbox.read("SELECT count(*) FROM notifications") == [(5,)])
        await until(lambda: not events_left(world.disk.outbox))
    outbox = Outbox(path)
    for spoil in (
        "UPDATE notifications SET members = '[\"x\"]' WHERE number = (SELECT min(number) FROM notifications)",
        "UPDATE notifications SET created_at = 'abc' WHERE number = (SELECT min(number) + 1 FROM notifications)",
        "UPDATE notifications SET payload = '[]' WHERE number = (SELECT min(number) + 2 FROM notifications)",
        "UPDATE channel_records SET payload = replace(payload, '+00:00', '') WHERE key LIKE 'record/%site 0'",
        "UPDATE channel_records SET payload = '[]' WHERE key LIKE 'record/%site 1'",
        "UPDATE incidents SET payload = substr(payload, 1, 20) WHERE target = 'site 4'",
    ):
        outbox.put((), now=0.0, alongside=methodcaller("execute", spoil))
    outbox.close()
    async with at_work(path, a_channel("ops", group_by="target")) as world:
        await world.up("site 4")
        await until(lambda: "site 4 is up" in world.receivers.told("ops"))
        assert world.receivers.told("ops") == ["site 3 is down", "site 4 is down", "site 4 is up"]
        records = world.disk.outbox.read("SELECT payload FROM channel_records WHERE key LIKE 'record/%'")
        assert all("+00:00" in payload for (payload,) in records)
        assert world.disk.outbox.read("SELECT 1 FROM incidents WHERE target = 'site 4'") == []
    said = capsys.readouterr().err
    counts = {text: said.count(text) for text in ("row of notifications", "unreadable record", "rows of incidents")}
    assert counts == {"row of notifications": 3, "unreadable record": 2, "rows of incidents": 1}


async def test_an_alertmanager_gets_no_end_of_an_incident_with_a_damaged_row(path: Path) -> None:
    channel, spoil = Channel("am", AlertmanagerReceiver("http://am.example")), "UPDATE incidents SET payload = '{'"
    async with at_work(path, channel) as world:
        await world.down("site 1")
        await until(lambda: world.disk.outbox.read("SELECT 1 FROM channel_records"))
        await world.disk.run(lambda outbox: outbox.put((), now=0.0, alongside=lambda base: base.execute(spoil)))
    async with at_work(path, channel) as world:
        await until(lambda: world.receivers.posted)
        await world.up("site 1")
        await until(lambda: not world.disk.outbox.read("SELECT 1 FROM channel_records"))
        now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        assert [alert["endsAt"] < now for alert in world.receivers.posted] == [False, True]


def events_left(outbox: Outbox) -> int:
    count: int = outbox.read("SELECT count(*) FROM alert_events")[0][0]
    return count


def test_without_channels_incidents_are_followed_and_no_event_is_kept(path: Path) -> None:
    outbox = Outbox(path)
    now = datetime.now(UTC)
    flip = Flip("site 1", "default", now, now, State.DOWN, State.UP, None, None, 1)
    record_flips(outbox, [flip], now=now.timestamp())
    assert events_left(outbox) == 0
    assert outbox.read("SELECT target FROM incidents") == [("site 1",)]
    set_channels(outbox, {"ops"}, now.timestamp())
    record_flips(outbox, [replace(flip, state=State.UP, before=State.DOWN, number=2)], now=now.timestamp())
    assert events_left(outbox) == 1
    assert outbox.read("SELECT target FROM incidents") == []
    set_channels(outbox, (), now.timestamp())
    assert events_left(outbox) == 0
    assert waiting_of(outbox, "ops") == []
    outbox.close()


class OneStored:
    """The tables of channels with one event of another replica."""

    number, is_handover = 1, False

    def __init__(self, payload: str) -> None:
        self.payload = payload
        self.origin = str(uuid.uuid4())

    async def events(self, _channel: str, _positions: Mapping[str, int], _limit: int) -> list[OneStored]:
        return [self]

    async def settled(self, _messages: list[str]) -> set[str]:
        return set()


@pytest.mark.parametrize(("routes", "words"), [("[]", "alert event read without its routes"), ('{"ops":0}', None)])
async def test_an_event_is_taken_in_though_its_routes_cannot_be_read(
    routes: str, words: str | None, tmp_path: Path
) -> None:
    event = AlertEvent(1, Change.OPENED, datetime(2026, 1, 5, tzinfo=UTC), None, None, "Shop", "default")
    stored = OneStored(encode_event(event)[:-1] + f',"routes":{routes}}}')
    known: dict[tuple[str, str], float] = {}
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox, capture_logs() as lines:
        step = Step("default", "ops", uuid.uuid4(), 1)
        source = TableEvents(OutboxThread(outbox), stored, step, lambda: None, routes=known)  # type: ignore[arg-type]
        assert await source.read(10, None) == ([event], ())
    assert [line["event"] for line in lines] == ([] if words is None else [words])
    assert known == ({} if words else {("ops", "Shop"): 0.0})
