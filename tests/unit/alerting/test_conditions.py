"""Certificates that expire soon, the dead-man call and dependencies of failing targets, wired as in the daemon."""

from __future__ import annotations

from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import EPOCH, MOMENT, Disk, a_checker, a_failure, a_target, an_outcome
from watcher.alerting.conditions.conditions import Conditions
from watcher.alerting.conditions.dead_man import (
    FIRST_CALL_SECONDS,
    MAX_CHECKS_SILENCE_SECONDS,
    MAX_OUTBOX_SILENCE_SECONDS,
)
from watcher.alerting.messages import set_channels
from watcher.alerting.policy.certificates import ToldCertificates, step_of
from watcher.alerting.policy.event import Change
from watcher.checking.http.exchange import Exchange
from watcher.checking.roster import Roster
from watcher.model.alerts.of_target import Dependency, TargetAlerts
from watcher.model.alerts.options import AlertingOptions, Connectivity, Heartbeat
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.state import Flip, Standing, State
from watcher.outbox.alerts import events_for
from watcher.outbox.outbox import Outbox
from watcher.recording.recorder import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from watcher.alerting.policy.event import AlertEvent
    from watcher.model.target import Target

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("lifetime_days", "steps"),
    [
        (398, [21, 14, 7, 1]),
        (90, [21, 14, 7, 1]),
        (63, [14, 7, 1]),  # not below a third
        (47, [14, 7, 1]),
        (6, [1]),
        (3, []),
        (None, [21, 14, 7, 1]),
    ],
)
def test_steps_count_below_a_third_of_the_lifetime_and_each_is_sent_once(
    lifetime_days: float | None, steps: list[int]
) -> None:
    end = MOMENT + 400 * DAY
    begin = None if lifetime_days is None else end - lifetime_days * DAY
    told, found = ToldCertificates({}), []
    for hours in range(24 * 401):
        now = MOMENT + timedelta(hours=hours)
        if hours % 50 == 0:  # a restart
            told = ToldCertificates({"a": told.remembered("a")})
        news = told.news("a", end, begin, now)
        if news is not None:
            found.append(news.step_days)
            assert end - now == news.step_days * DAY
    assert found == steps
    assert step_of(end, begin, end) is None


def test_a_renewed_certificate_is_reported_again_and_alternating_ones_once_each() -> None:
    told = ToldCertificates({"a": "nonsense"})
    one, other = MOMENT + 5 * DAY, MOMENT + 12 * DAY
    found = [told.news("a", end, None, MOMENT) for end in (one, other) * 10]
    assert [news.step_days for news in found if news is not None] == [7, 14]
    renewed = MOMENT + 90 * DAY
    assert told.news("a", renewed, None, MOMENT + DAY) is None
    assert told.news("a", renewed, None, renewed - 20 * DAY) is not None
    for number in range(20):
        told.news("a", MOMENT + number * timedelta(hours=1), None, MOMENT)
    assert len(told.remembered("a")) < 200


@dataclass
class Web:
    """The site that answers, and the parts of a daemon around it."""

    disk: Disk
    tally: Tally = field(default_factory=Tally)
    fault: Fault | None = None
    calls: list[tuple[float, str, str, bytes]] = field(default_factory=list)
    written_at: float = EPOCH
    looks: int = 0

    def probe(self, target: Target) -> Probe:
        return Probe(self, target)

    async def events(self) -> list[AlertEvent]:
        return await self.disk.run(lambda outbox: events_for(outbox, "ops", 100))


@dataclass
class Probe:
    web: Web
    target: Target

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        await trio.lowlevel.checkpoint()
        sending = self.target.sending
        self.web.calls.append((trio.current_time(), self.target.address, sending.method, sending.body))
        if self.web.fault is not None:
            return Exchange(phases=Phases(), fault=self.web.fault)
        return Exchange(phases=Phases(), status_code=200)

    def close(self) -> None:
        pass


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        set_channels(outbox, names=frozenset({"ops"}), now=EPOCH)
        yield Disk(outbox)


@asynccontextmanager
async def open_conditions(web: Web, options: AlertingOptions, *targets: Target) -> AsyncIterator[Conditions]:
    context = a_checker(web.probe)
    send, receive = trio.open_memory_channel[Conclusion](10_000)
    async with receive, send, trio.open_nursery() as nursery:
        roster = Roster(context, send, nursery)

        def look() -> None:
            web.looks += 1

        conditions = Conditions(
            context, roster, web.disk, web.tally, lambda: web.written_at, look, clock=context.clock.wall
        )
        await conditions.use({target.name: target for target in targets}, options)
        nursery.start_soon(context.timer.run)
        nursery.start_soon(conditions.run)
        await roster.begin(targets, {})
        yield conditions
        nursery.cancel_scope.cancel()


def concluded(target: str, days_left: float, at: float = 0) -> Conclusion:
    moment = datetime.fromtimestamp(EPOCH + at, UTC)
    return Conclusion(
        an_outcome(target, at=moment, cert_expires_at=datetime.fromtimestamp(EPOCH, UTC) + days_left * DAY)
    )


async def test_a_certificate_is_reported_once_also_after_a_restart(
    disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    web = Web(disk)
    for _ in range(2):
        async with open_conditions(web, AlertingOptions()) as conditions:
            for _ in range(3):
                conditions.take([concluded("a", 13), concluded("b", 60), concluded("c", 0.5)])
                await trio.sleep(1)
    assert web.looks == 1
    events = await web.events()
    found = [(one.change, one.target, one.certificate.step_days if one.certificate else None) for one in events]
    assert found == [(Change.CERTIFICATE, "a", 14), (Change.CERTIFICATE, "c", 1)]


HEARTBEAT = AlertingOptions(heartbeat=Heartbeat("https://hc.example/uuid?a=b", 60))


async def test_the_dead_man_is_called_while_all_is_well_and_otherwise_gets_the_reason(
    disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    web = Web(disk)
    target = a_target(interval_seconds=10, timeout_seconds=10, enabled=True)
    async with open_conditions(web, HEARTBEAT) as conditions:
        await conditions.use({"Checkout": target}, HEARTBEAT)

        async def call() -> tuple[str, str, bytes]:
            before = len(web.calls)
            while len(web.calls) == before:  # a mock clock
                await trio.sleep(1)
                if web.tally.max_lateness_seconds == 0:
                    web.tally.successes += 1
                if disk.error is None:
                    web.written_at = EPOCH + trio.current_time()
            return web.calls[-1][1:]

        well = ("https://hc.example/uuid?a=b", "GET", b"")
        assert await call() == well
        assert web.calls[0][0] == pytest.approx(FIRST_CALL_SECONDS, abs=1)
        assert await call() == well
        assert web.calls[1][0] - web.calls[0][0] == pytest.approx(60, abs=1)
        web.tally.late_checks += 30
        address, method, body = await call()
        assert (address, method) == ("https://hc.example/uuid/fail?a=b", "POST")
        assert b"began more than a second late" in body
        assert await call() == well
        disk.error = OSError("full")
        assert b"the outbox was not written for" in (await call())[2]
        disk.error = None
        assert await call() == well
        web.tally.max_lateness_seconds = 1.0  # checks stop
        assert await call() == well  # there were checks since the last call
        assert b"no check has ended for" in (await call())[2]
        assert MAX_CHECKS_SILENCE_SECONDS + 20 < 60
        assert MAX_OUTBOX_SILENCE_SECONDS < 60


async def test_a_call_that_fails_is_one_line_without_its_address(
    disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    web = Web(disk, fault=Fault(Reason.DNS, "hc.example is not known"))
    with capture_logs() as lines:
        async with open_conditions(web, HEARTBEAT) as conditions:
            await trio.sleep(300)
            web.fault = None
            await trio.sleep(300)
            await conditions.use({}, AlertingOptions())
            called = len(web.calls)
            await trio.sleep(300)
            assert len(web.calls) == called
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "heartbeat.url cannot be called"),
        ("info", "heartbeat.url is called again"),
    ]
    assert "uuid" not in str(lines)


async def test_dependencies_of_a_failing_target_are_checked_at_once(
    disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    web = Web(disk)
    router = a_target("Router", address="http://router.example/", interval_seconds=600)
    core = [
        a_target(f"core{n}", address=f"http://core{n}.example/", group="core", interval_seconds=600) for n in (1, 2)
    ]
    depends_on = (Dependency(target="Router"), Dependency(group="core"))
    child = a_target("Child", interval_seconds=600, alerts=TargetAlerts(depends_on=depends_on))
    async with open_conditions(web, AlertingOptions(), router, *core, child) as conditions:
        await trio.sleep(20)
        web.calls.clear()
        failure = a_failure("Child")
        flip = Flip("Child", "default", MOMENT, MOMENT, State.DOWN, State.UP, failure.fault)
        conditions.take([Conclusion(failure, Standing(State.DOWN), is_news=True)])
        await trio.sleep(0.1)
        assert not web.calls  # it was down before
        conditions.take([Conclusion(failure, Standing(State.DOWN), is_news=True, flips=(flip,))])
        await trio.sleep(0.1)
        assert sorted(address for _, address, _, _ in web.calls) == [
            *("http://core1.example/", "http://core2.example/", "http://router.example/")
        ]


async def test_a_gap_in_the_network_is_an_alert_event(disk: Disk, autojump_clock: trio.testing.MockClock) -> None:
    web = Web(disk)
    options = AlertingOptions(connectivity=Connectivity(("https://one.example/", "https://two.example/"), 30))
    async with open_conditions(web, options):
        await trio.sleep(40)
        web.fault = Fault(Reason.CONNECT, "no route to the host")
        await trio.sleep(100)
        web.fault = None
        await trio.sleep(10)
        [event] = await web.events()
        assert event.change is Change.CONNECTIVITY
        assert event.gap_start is not None
        assert timedelta(seconds=75) < event.at - event.gap_start < timedelta(seconds=105)
        assert web.looks == 1
