"""Debian's Alertmanager gets open incidents, once however often they are sent, and ended ones."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import trio

from tests.doubles import MOMENT, a_target
from tests.integration.daemon import NO_DATABASE
from tests.integration.receivers import a_channel, a_message
from tests.integration.sites import serving
from tests.integration.test_alerts import QUICK, Site
from tests.peers.programs import path_of
from tests.peers.prometheus import SECONDS, port_in, running
from tests.unit.web.viewers import asked, get, status_of
from watcher.alerting.channels.alertmanager import alert_of
from watcher.alerting.channels.deliver import deliver, open_tools, post_alerts
from watcher.alerting.policy.event import Incident
from watcher.model.alerts.channel import AlertmanagerReceiver
from watcher.model.alerts.notification import Delivered, Refused
from watcher.model.alerts.of_target import TargetAlerts
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.daemon import Folder

CONFIG = '{"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}'
NOW = MOMENT + timedelta(minutes=5)
PAGE = "http://127.0.0.1:8080/targets/shop_checkout"


def an_incident() -> Incident:
    """A target that is down."""
    fault = Fault(Reason.STATUS, "503 Service Unavailable")
    flip = Flip("Checkout", "default", MOMENT, MOMENT, State.DOWN, State.UP, fault)
    return Incident(flip.flip_id, "Checkout", "default", State.DOWN, MOMENT, flip)


@asynccontextmanager
async def running_alertmanager(folder: Path) -> AsyncIterator[int]:
    """Run Alertmanager; yields its port."""
    (folder / "am.yml").write_text(CONFIG)
    command = [
        path_of("prometheus-alertmanager", "prometheus-alertmanager"),
        f"--config.file={folder / 'am.yml'}",
        f"--storage.path={folder / 'alerts'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    async with running(command, folder / "am.log") as (process, log):
        yield await port_in(log, process)


async def test_an_alert_exists_while_it_is_sent_and_ends_with_its_incident(tmp_path: Path) -> None:
    labels = (("team", "web"), ("cost-centre", "4711"), ("0", "zero"))
    target = a_target("Checkout", group="shop", alerts=TargetAlerts(description="call Jo", labels=labels))
    async with running_alertmanager(tmp_path) as port, open_tools() as tools:
        channel = a_channel(AlertmanagerReceiver(f"http://127.0.0.1:{port}/"))
        # Alertmanager goes by the wall clock, by which NOW is long ago.
        for now in (NOW, NOW + timedelta(minutes=1)):
            alert = alert_of(an_incident(), target, now, page_url=PAGE)
            assert await post_alerts([{**alert, "endsAt": "2100-01-01T00:00:00Z"}], channel, tools) == Delivered(
                "200 OK"
            )
        (there,) = await _alerts(port)
        assert there["labels"] == {
            "alertname": "WatcherTargetDown",
            "severity": "critical",
            "target": "Checkout",
            "group": "shop",
            "location": "default",
            "team": "web",
            "cost_centre": "4711",
            "_0": "zero",
        }
        assert there["annotations"]["summary"] == "Checkout is down"
        assert there["annotations"]["detail"] == "503 Service Unavailable"
        assert there["annotations"]["description"] == "call Jo"
        assert (there["startsAt"], there["generatorURL"]) == ("2026-11-23T15:20:55.857Z", PAGE)

        over = alert_of(an_incident(), target, NOW, is_over=True)
        assert await post_alerts([over], channel, tools) == Delivered("200 OK")
        assert await _alerts(port) == []

        assert isinstance(await deliver(a_message(MOMENT), channel, tools), Delivered)
        refused = await post_alerts([{"labels": {}}], channel, tools)
        assert isinstance(refused, Refused)
        assert refused.error.startswith("400 Bad Request: ")


async def test_the_daemon_reports_a_site_that_goes_down_and_up(folder: Folder, tmp_path: Path) -> None:
    site = Site(status="503 Service Unavailable")
    async with running_alertmanager(tmp_path) as port, serving(site.behave) as site.port:
        channel = {"name": "am", "alertmanager": {"url": f"http://127.0.0.1:{port}"}}
        url = {"name": "Checkout", "address": f"http://127.0.0.1:{site.port}/", "group": "shop", **QUICK}
        folder.configure([url], {"channels": [channel]}, **NO_DATABASE)
        async with folder.daemon() as daemon:
            with trio.fail_after(SECONDS):
                while not (found := await _alerts(port)):  # noqa: ASYNC110  # another program
                    await trio.sleep(0.05)
                site.status = "200 OK"
                while await _alerts(port):  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert (await daemon.stop())[0] == 0
    (alert,) = found
    assert (alert["labels"]["alertname"], alert["labels"]["group"]) == ("WatcherTargetDown", "shop")
    assert alert["annotations"]["detail"] == "503 Service Unavailable"


async def _alerts(port: int) -> list[dict[str, Any]]:
    with trio.fail_after(SECONDS):
        answered = await asked(port, get("/api/v2/alerts?active=true"))
    assert status_of(answered) == 200
    found: list[dict[str, Any]] = json.loads(answered.partition(b"\r\n\r\n")[2])
    return found
