"""Maintenance, the monitor's own network and the dead-man call in the real daemon."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trio

from tests.integration.daemon import NO_DATABASE
from tests.integration.receivers import receiving
from tests.integration.sites import serving
from tests.integration.test_alerts import QUICK, Site, a_channel, told

if TYPE_CHECKING:
    from tests.integration.daemon import Folder


async def test_a_target_down_at_the_end_of_maintenance_is_reported_then(folder: Folder) -> None:
    site = Site(status="503 Service Unavailable")
    start = datetime.now(UTC) - timedelta(minutes=1)
    window = {"start": f"{start:%Y-%m-%dT%H:%M}", "duration": "1h", "why": "new rack", "group": "shop"}
    async with receiving() as receiver, serving(site.behave) as site.port:
        urls = [{"name": "Checkout", "group": "shop", "address": f"http://127.0.0.1:{site.port}/", **QUICK}]
        channels = {"channels": [a_channel(receiver)]}
        folder.configure(urls, {**channels, "maintenance": [window]}, **NO_DATABASE)
        async with folder.daemon() as daemon:
            await daemon.until(lambda: site.asked > 10)
            daemon.process.kill()
            await daemon.process.wait()
        async with folder.daemon() as daemon:
            asked = site.asked
            await daemon.until(lambda: site.asked > asked + 10)
            assert not receiver.posts
            folder.configure(urls, channels, **NO_DATABASE)
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.until(lambda: receiver.posts)
            assert (await daemon.stop())[0] == 0
    assert told(receiver) == ["down ['Checkout']"]
    [target] = receiver.posts[0].document["targets"]
    assert (target["before"], target["detail"]) == ("maintenance", "503 Service Unavailable")


async def test_without_a_network_nothing_is_down_and_the_gap_is_reported_afterwards(folder: Folder) -> None:
    site = Site()

    async def behave(stream: trio.abc.Stream) -> None:
        if site.status == "away":
            await trio.sleep_forever()
        await site.behave(stream)

    async with receiving() as receiver, receiving() as heartbeat, serving(behave) as port:
        urls = [{"name": "Checkout", "address": f"http://127.0.0.1:{port}/", **QUICK}]
        also = {
            "channels": [a_channel(receiver)],
            "connectivity": {"targets": [f"http://127.0.0.1:{port}/"], "interval": 1},
            "heartbeat": {"url": f"http://127.0.0.1:{heartbeat.port}/ping", "interval": 1},
        }
        folder.configure(urls, also, **NO_DATABASE)
        async with folder.daemon() as daemon:
            await daemon.until(lambda: site.asked > 3 and heartbeat.posts)
            site.status = "away"
            await daemon.until(lambda: len(daemon.lines("reason=local")) > 5)
            site.status = "204 No Content"
            await daemon.until(lambda: receiver.posts)
            assert (await daemon.stop())[0] == 0
    assert told(receiver) == ["connectivity []"]
    assert (heartbeat.posts[0].method, heartbeat.posts[0].path) == ("GET", "/ping")
    assert not daemon.lines("reason=timeout")
