"""Alerts of the real daemon: what a receiver gets when a site goes down and up, whatever else happens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.daemon import NO_DATABASE, START_SECONDS, settings_for
from tests.integration.receivers import HttpReceiver, receiving
from tests.integration.sites import read_request, response, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.daemon import Folder
    from tests.integration.proxy import Proxy
    from watcher.postgres.db import Database

QUICK = {"interval": 0.2, "timeout": 0.2, "recheck_interval": 0.1, "failure_threshold": 2, "success_threshold": 1}


@dataclass
class Site:
    """Answers with success, until it is told otherwise."""

    status: str = "200 OK"
    port: int = 0
    name: str = "Checkout"
    asked: int = field(default=0)

    async def behave(self, stream: trio.abc.Stream) -> None:
        await read_request(stream)
        self.asked += 1
        await stream.send_all(response(status=self.status))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with serving(site.behave) as site.port:
        yield site


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with receiving() as receiver:
        yield receiver


def configure(folder: Folder, site: Site, *channels: dict[str, Any], **settings: object) -> None:
    urls = [{"name": site.name, "address": f"http://127.0.0.1:{site.port}/", **QUICK}]
    folder.configure(urls, {"channels": list(channels)}, **settings)


def a_channel(receiver: HttpReceiver, name: str = "hook", **options: Any) -> dict[str, Any]:
    webhook = {"url": f"http://127.0.0.1:{receiver.port}/"}
    return {"name": name, "webhook": webhook, "group_wait": 0.1, "group_interval": 0.1, **options}


def told(receiver: HttpReceiver) -> list[str]:
    """Return the kind and the targets of each message."""
    return [f"{post.document['kind']} {[one['name'] for one in post.document['targets']]}" for post in receiver.posts]


async def test_a_site_that_goes_down_and_up_is_reported_and_stored(
    folder: Folder, site: Site, receiver: HttpReceiver, proxy: Proxy, test_db: Database
) -> None:
    configure(folder, site, a_channel(receiver), **settings_for(proxy))
    async with folder.daemon() as daemon:
        await daemon.until(lambda: site.asked)
        site.status = "503 Service Unavailable"
        await daemon.until(lambda: receiver.posts)
        site.status = "200 OK"
        await daemon.until(lambda: len(receiver.posts) == 2)
        with trio.fail_after(START_SECONDS):
            while not (rows := await sent(test_db)) or len(rows) < 2:  # noqa: ASYNC110
                await trio.sleep(0.02)
        shown = await folder.run("alerts", "--json")
        status, _ = await daemon.stop()
    assert status == 0
    document = json.loads(shown.stdout)
    assert [(one["kind"], one["result"], one["answer"]) for one in document["notifications"]] == [
        ("up", "sent", "200 OK: thank you"),
        ("down", "sent", "200 OK: thank you"),
    ]
    assert document["open"] == []
    assert told(receiver) == ["down ['Checkout']", "up ['Checkout']"]
    down, up = (post.document for post in receiver.posts)
    assert down["targets"][0]["detail"] == "503 Service Unavailable"
    assert up["targets"][0]["duration_ms"] > 0
    assert [(str(row["id"]), row["kind"], row["tries"]) for row in rows] == [
        (down["id"], "down", 1),
        (up["id"], "up", 1),
    ]


async def sent(database: Database) -> list[dict[str, Any]]:
    return [
        dict(row)
        for row in await database.fetch("SELECT * FROM notifications WHERE sent_at IS NOT NULL ORDER BY created_at")
    ]


async def test_silenced_incidents_are_sent_when_the_silence_ends(
    folder: Folder, site: Site, receiver: HttpReceiver
) -> None:
    configure(folder, site, a_channel(receiver), **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: site.asked)
        begun = await folder.run("silence", "Checkout", "--for", "1h", "--why", "a move")
        assert (begun.returncode, begun.stderr) == (0, b"")
        site.status = "503 Service Unavailable"
        await daemon.until(lambda: daemon.lines(' down target="Checkout"'))
        assert (await folder.run("ack", "Checkout")).returncode == 0, "it is open all the same"
        ended_at = datetime.now(UTC)
        assert (await folder.run("silence", "--end", begun.stdout.split()[-1].decode())).returncode == 0
        await daemon.until(lambda: receiver.posts)
        assert (await daemon.stop())[0] == 0
    assert told(receiver) == ["down ['Checkout']"]
    assert datetime.fromisoformat(receiver.posts[0].document["at"]) >= ended_at


async def test_without_a_database_a_reload_brings_a_channel_and_changes_another_and_loses_nothing(
    folder: Folder, site: Site, receiver: HttpReceiver
) -> None:
    async with receiving() as second:
        old = a_channel(receiver, "old", group_wait=2)
        configure(folder, site, old, **NO_DATABASE)
        async with folder.daemon() as daemon:
            await daemon.until(lambda: site.asked)
            site.status = "503 Service Unavailable"
            await daemon.until(lambda: daemon.lines(" down "))
            configure(folder, site, {**old, "title": "Again: {{ title }}"}, a_channel(second, "new"), **NO_DATABASE)
            await daemon.until(lambda: daemon.lines("reloaded"))
            await daemon.until(lambda: receiver.posts and second.posts)
            site.status = "200 OK"
            await daemon.until(lambda: len(receiver.posts) == len(second.posts) == 2)
            assert (await daemon.stop())[0] == 0
        assert [post.document["title"] for post in receiver.posts] == [
            "Again: Checkout is down",
            "Again: Checkout is up",
        ]
        assert told(second) == ["down ['Checkout']", "up ['Checkout']"], "it is told what is open"


async def test_an_open_incident_continues_under_the_new_name_of_a_target(
    folder: Folder, site: Site, receiver: HttpReceiver, proxy: Proxy, test_db: Database
) -> None:
    settings = settings_for(proxy)
    channel = a_channel(receiver, reminder_interval="1s")
    configure(folder, site, channel, **settings)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: site.asked)
        site.status = "503 Service Unavailable"
        await daemon.until(lambda: receiver.posts)
        assert (await folder.run("ack", "Checkout")).returncode == 0
        told_before = len(receiver.posts)
        site.name = "Shop"
        configure(folder, site, channel, **settings)
        await daemon.until(lambda: daemon.lines(' down target="Shop"'))
        with trio.fail_after(START_SECONDS):
            while (await folder.run("rename", "Checkout", "Shop")).returncode != 0:  # noqa: ASYNC110
                await trio.sleep(0.1)
        with trio.fail_after(START_SECONDS):
            while not (opened := json.loads((await folder.run("alerts", "--json")).stdout)["open"]):  # noqa: ASYNC110
                await trio.sleep(0.1)
        site.status = "200 OK"
        await daemon.until(lambda: "up" in told(receiver)[-1])
        assert (await daemon.stop())[0] == 0
    assert told(receiver)[told_before - 1 :] == [told(receiver)[told_before - 1], "up ['Shop']"]
    down, up = receiver.posts[0].document["targets"][0], receiver.posts[-1].document["targets"][0]
    assert [(one["target"], one["since"]) for one in opened] == [("Shop", down["since"])]
    lasted = datetime.fromisoformat(up["since"]) - datetime.fromisoformat(down["since"])
    assert abs(up["duration_ms"] - lasted.total_seconds() * 1000) <= 1, "it is the same incident"
