"""Services of Apprise, used by the helper process: what arrives, and what happens to a message that does not."""

from __future__ import annotations

import signal
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

from tests.integration.daemon import NO_DATABASE, START_SECONDS
from tests.integration.mail_server import serving_mail
from tests.integration.receivers import a_channel, a_message, receiving
from tests.integration.sites import read_request, response, serving, silent
from tests.integration.test_alerts import QUICK, Site
from watcher.alerting.channels.apprise_urls import complaints_about_urls
from watcher.alerting.channels.deliver import deliver, open_tools
from watcher.alerting.channels.helper_command import COMMAND
from watcher.model.alerts.channel import AppriseReceiver
from watcher.model.alerts.notification import Delivered, Kind, Refused, TryAgain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.daemon import Folder
    from tests.integration.receivers import HttpReceiver, Post
    from watcher.alerting.channels.deliver import Tools
    from watcher.model.alerts.notification import Delivery

NOW = datetime.now(UTC)
TITLE, TEXT = b"Test of watcher", b"This is a test of the channel ops."
TOKEN = "s3cr3tTokenOfTheService"
OF_SLACK = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
OF_TELEGRAM = "123456789:alphanumeric_token_of_35_characters"

# Addresses, and the paths where their messages arrive; `{}` is the port of a local service.
SERVICES = {
    "json://127.0.0.1:{}/in": "/in",
    "ntfy://127.0.0.1:{}/ops-topic": "/",
    f"gotify://127.0.0.1:{{}}/{TOKEN}": "/message",
    f"slack://{OF_SLACK}": f"/services/{OF_SLACK}",
    f"discord://4174216298/{TOKEN}": f"/api/webhooks/4174216298/{TOKEN}",
    f"tgram://{OF_TELEGRAM}/12315544/": f"/bot{OF_TELEGRAM}/sendMessage",
}


def _answer(post: Post) -> bytes:
    return response(b"ok" if post.path.startswith("/services/") else b'{"ok": true, "result": {}, "id": "x"}')


@asynccontextmanager
async def standing_in(receiver: HttpReceiver, folder: Path) -> AsyncIterator[tuple[str, ...]]:
    """Be a proxy that terminates the TLS of every tunnel; yields a command whose helper uses this proxy."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.slack.com", "discord.com", "api.telegram.org", "events.pagerduty.com").configure_cert(
        context
    )

    async def behave(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        assert isinstance(stream, trio.SocketStream)
        await receiver.behave(trio.SSLStream(stream, context, server_side=True))

    async with serving(behave) as port:
        proxy, authorities = f"HTTPS_PROXY=http://127.0.0.1:{port}", f"REQUESTS_CA_BUNDLE={folder / 'ca.pem'}"
        yield ("/usr/bin/env", proxy, authorities, *COMMAND)


async def _send(url: str, tools: Tools, **changes: Any) -> Delivery:
    return await deliver(a_message(NOW), a_channel(AppriseReceiver(url), **changes), tools)


async def test_a_message_arrives_by_each_service(tmp_path: Path) -> None:
    """A proxy, which the helper finds in its environment, stands in for Slack and others."""
    async with (
        receiving(_answer) as receiver,
        standing_in(receiver, tmp_path) as command,
        open_tools(helper_command=command) as tools,
    ):
        for url, path in SERVICES.items():
            delivery = await _send(url.format(receiver.port), tools)
            assert isinstance(delivery, Delivered), delivery
            post = receiver.posts.pop()
            assert (post.path, TITLE in post.body, TEXT in post.body) == (path, True, True)
            assert b"apprise" not in post.body.lower()


async def test_pagerduty_resolves_its_open_incidents(tmp_path: Path) -> None:
    """As in docs/alerts.md: the same title for all messages of a target, whatever happens to it."""
    url = "pagerduty://A1BRTD4JD@TIiajkdnlazkcOXrIdevi7FQ?action=map"
    channel = a_channel(AppriseReceiver(url), title="{{ targets[0].name }}")
    async with (
        receiving(_answer) as receiver,
        standing_in(receiver, tmp_path) as command,
        open_tools(helper_command=command) as tools,
    ):
        for kind in (Kind.DOWN, Kind.UP):
            delivery = await deliver(replace(a_message(NOW), kind=kind), channel, tools)
            assert isinstance(delivery, Delivered), delivery
        down, up = (post.document for post in receiver.posts)
    assert (down["event_action"], up["event_action"]) == ("trigger", "resolve")
    assert down["dedup_key"] == up["dedup_key"]


async def test_mail_arrives_whole_and_a_wrong_password_is_refused() -> None:
    """A real SMTP server takes the mail."""
    async with serving_mail("right") as (port, mails), open_tools() as tools:
        url = f"mailto://user:{{}}@127.0.0.1:{port}?from=watcher@shop.example&to=ops@shop.example&mode=insecure"
        bad = await _send(url.format("wrong"), tools)
        good = await _send(url.format("right"), tools)
        assert isinstance(good, Delivered), good
        mail = await mails.receive_some()
    assert isinstance(bad, Refused), bad
    assert "wrong" not in bad.error
    assert b"ops@shop.example" in mail
    assert b"Subject: " + TITLE in mail
    assert TEXT in mail


async def test_failures_are_reported_without_secrets() -> None:
    """Permanent errors are not retried; a hanging receiver costs its helper process, and no other channel's message."""
    statuses = iter(["401 Unauthorized", "429 Too Many Requests", "503 Unavailable", "301 Moved"])
    async with (
        receiving(lambda _post: response(b"", next(statuses))) as receiver,
        serving(silent) as silent_port,
        open_tools() as tools,
    ):
        got = [await _send(f"json://user:{TOKEN}@127.0.0.1:{receiver.port}/{TOKEN}", tools) for _ in range(4)]
        private = await _send(f"json://127.0.0.1:{receiver.port}/", tools, allow_private=False)
        closed = await _send(f"json://127.0.0.1:1/{TOKEN}", tools)
        wrong = await _send("slack://nonsense", tools)
        hanging: list[Delivery] = []

        async def hang() -> None:
            hanging.append(await _send(f"json://127.0.0.1:{silent_port}/?rto=60", tools, timeout_seconds=600.0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            assert await _send("slack://nonsense", tools) == wrong
            assert not hanging
            nursery.cancel_scope.cancel()
        killed = await _send(f"json://127.0.0.1:{silent_port}/?rto=60", tools, timeout_seconds=2.0)
    assert [type(one) for one in got] == [Refused, TryAgain, TryAgain, Refused], got
    assert private == Refused("127.0.0.1 is not a public address, and `allow_private` is false")
    assert isinstance(closed, TryAgain)
    assert "Connection refused" in closed.error
    assert isinstance(wrong, Refused)
    assert killed == TryAgain("no answer within 2 s: the helper process was killed")
    assert not any(TOKEN in str(one) for one in (*got, closed, wrong))


TEMPLATES: dict[str, tuple[str | None, str | None, str, str, str]] = {
    "good": ("{{ kind }}!", "{% for t in targets %}\n{{ t.name }}\n{% endfor %}", "test!", "Example", ""),
    "raises": ("x", "a\n{{ nothing.at_all }}", "x", TEXT.decode(), "body: line 2: 'nothing' is undefined"),
    "unsafe": (None, "{{ ''.__class__.__mro__ }}", TITLE.decode(), TEXT.decode(), "unsafe"),
    "endless": (None, "{{ 7 ** (10 ** 9) }}", TITLE.decode(), TEXT.decode(), "was killed"),
    "huge": (None, "{{ 'x' * (10 ** 9) }}", TITLE.decode(), TEXT.decode(), "MemoryError"),
}


async def test_a_template_that_fails_sends_the_default_text_and_says_so() -> None:
    """Rendered in the helper process, so that a template cannot block the loop."""
    async with receiving() as receiver, open_tools() as tools:
        for title, body, title_sent, body_sent, complaint in TEMPLATES.values():
            delivery = await _send(f"json://127.0.0.1:{receiver.port}/", tools, title=title, body=body)
            assert isinstance(delivery, Delivered), delivery
            assert ("with the default text" in delivery.answer) == bool(complaint)
            assert complaint in delivery.answer
            document = receiver.posts.pop().document
            assert document["title"] == title_sent
            assert document["message"].startswith(body_sent)


def test_wrong_addresses_are_reported_without_their_secrets() -> None:
    """One process checks all of them."""
    urls = [
        "json://localhost/x",
        f"nonsense://{TOKEN}",
        f"slack://{TOKEN}",
        f"tgram://{TOKEN}/1",
        "ntfys://ntfy.example/ops",
    ]
    complaints = complaints_about_urls(urls)
    assert [complaint is None for complaint in complaints] == [True, False, False, False, True], complaints
    assert TOKEN not in str(complaints)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)], ids=["killed", "stopped"])
async def test_a_helper_ends_with_its_daemon_in_the_middle_of_a_job(
    folder: Folder, number: signal.Signals, status: int
) -> None:
    """However the daemon ends: the helper's connection is closed, although its receiver never answers."""
    connected, gone = trio.Event(), trio.Event()

    async def hold(stream: trio.abc.Stream) -> None:
        connected.set()
        while await stream.receive_some():
            pass
        gone.set()

    site = Site(status="503 Service Unavailable")
    async with serving(hold) as port, serving(site.behave) as site.port:
        channel = {"name": "ops", "url": f"json://127.0.0.1:{port}/?rto=600", "group_wait": 0, "timeout": 60}
        urls = [{"name": "Checkout", "address": f"http://127.0.0.1:{site.port}/", **QUICK}]
        folder.configure(urls, {"channels": [channel]}, **NO_DATABASE)
        async with folder.daemon() as daemon:
            await daemon.until(connected.is_set)
            assert (await daemon.stop(number))[0] == status
            with trio.fail_after(START_SECONDS):
                await gone.wait()


def test_the_daemon_imports_neither_apprise_nor_its_helper() -> None:
    """A delivery imports little."""
    assert "watcher.alerting.channels.deliver" in sys.modules
    assert not {"apprise", "watcher.alerting.channels.helper_process"} & set(sys.modules)
