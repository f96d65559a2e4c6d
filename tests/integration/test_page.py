"""The daemon's page over HTTP: at the address that it logs, and never in the way of the checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.daemon import NO_DATABASE, Folder
from tests.unit.web.viewers import asked, get, status_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.daemon import Daemon

TOKEN = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def a_url(number: int = 0) -> dict[str, object]:
    """Configure a target whose port is closed."""
    return {"name": f"site {number}", "address": "http://127.0.0.1:1/", "interval": 0.5}


async def port_of(daemon: Daemon) -> int:
    """Wait for the line that names the address, and return its port."""
    await daemon.until(lambda: daemon.lines("serving"))
    return int(daemon.lines("serving")[0].rpartition("127.0.0.1:")[2].split("/")[0])


async def test_the_second_line_of_the_start_names_the_address_and_probes_are_answered(folder: Folder) -> None:
    folder.configure([a_url()], **NO_DATABASE, WATCHER_HTTP="127.0.0.1:0")
    async with folder.daemon() as daemon:
        port = await port_of(daemon)
        assert "started" in daemon.lines()[0]
        assert "serving" in daemon.lines()[1]
        await daemon.until(lambda: daemon.lines("failure"))
        assert status_of(await asked(port, get("/livez"))) == 200
        ready = await asked(port, get("/readyz"))
        assert (status_of(ready), json.loads(ready.partition(b"\r\n\r\n")[2])) == (
            200,
            {"ready": True, "missing": ["database"]},
        )
        assert status_of(await asked(port, get("/nothing"))) == 404
        assert b"WATCHER_HTTP_TOKEN" in await asked(port, get("/-/reload", method="POST"))
        assert (await daemon.stop())[0] == 0
        assert daemon.lines("Traceback") == []


async def test_a_token_allows_reloads_and_is_in_no_line(folder: Folder) -> None:
    settings = {**NO_DATABASE, "WATCHER_HTTP": "127.0.0.1:0", "WATCHER_HTTP_TOKEN": TOKEN, "WATCHER_RELOAD": "off"}
    folder.configure([a_url()], **settings)
    async with folder.daemon() as daemon:
        port = await port_of(daemon)
        await daemon.until(lambda: daemon.lines("failure"))
        folder.configure([a_url(), a_url(1)], **settings)
        assert status_of(await asked(port, get("/-/reload", method="POST"))) == 401
        bearer = f"Authorization: Bearer {TOKEN}"
        assert status_of(await asked(port, get("/-/reload", bearer, method="POST"))) == 202
        await daemon.until(lambda: daemon.lines("reloaded"))
        assert 'added="site 1"' in daemon.lines("reloaded")[0]
        await daemon.stop()
        assert daemon.lines(TOKEN) == []


async def test_a_taken_port_is_one_line_and_is_tried_again(folder: Folder) -> None:
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken.socket.getsockname()[1]
    folder.configure([a_url()], **NO_DATABASE, WATCHER_HTTP=f"127.0.0.1:{port}")
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines("failure"))
        assert len(daemon.lines("WATCHER_HTTP")) == 1
        assert "in use" in daemon.lines("WATCHER_HTTP")[0]
        await taken.aclose()
        await daemon.until(lambda: daemon.lines("serving"))
        assert status_of(await asked(port, get("/livez"))) == 200
        await daemon.stop()


async def test_clients_that_do_not_read_delay_no_stop(folder: Folder) -> None:
    path = folder.path / "page.sock"
    folder.configure([a_url()], **NO_DATABASE, WATCHER_HTTP=f"unix:{path}", WATCHER_HTTP_TOKEN=TOKEN)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines("failure"))
        streams = []
        for text in [
            get("/livez"),
            "GET / HTTP/1.1\r\nX-Slow",
            get("/", "Content-Length: 9", method="POST"),
            get("/events", f"Authorization: Bearer {TOKEN}"),
        ] * 30:  # less than the backlog
            streams.append(await trio.open_unix_socket(path))
            await streams[-1].send_all(text.encode())
        assert b"alive" in await streams[0].receive_some()
        status, seconds = await daemon.stop()
        assert status == 0
        assert seconds < 5, "the stop has waited for somebody who asks"
        assert not await trio.Path(path).exists()
        assert daemon.lines("failed inside watcher") == []
        for stream in streams:
            await stream.aclose()


async def test_without_a_database_pages_show_the_sites_without_their_past(folder: Folder) -> None:
    folder.configure([a_url(), a_url(1)], **NO_DATABASE, WATCHER_HTTP="127.0.0.1:0")
    async with folder.daemon() as daemon:
        port = await port_of(daemon)
        await daemon.until(lambda: len(daemon.lines("failure")) > 6)
        overview = await asked(port, get("/"))
        assert status_of(overview) == 200
        assert b"2 of 2 sites are down" in overview
        assert b"The history cannot be read since" in overview
        target = await asked(port, get("/targets/_site-1?range=7d"))
        assert status_of(target) == 200
        assert b"connect: " in target
        await daemon.stop()
        assert daemon.lines("Traceback") == []


async def test_the_public_sees_the_groups_that_it_may_and_the_operators_title(folder: Folder) -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    (folder.path / "logo.svg").write_text(svg)
    urls = [{**a_url(), "group": "shop"}, {**a_url(1), "group": "inner"}, a_url(2)]
    settings = {"WATCHER_HTTP": "127.0.0.1:0", "WATCHER_HTTP_TOKEN": TOKEN, "WATCHER_HTTP_PUBLIC": "on"}
    folder.configure(urls, **NO_DATABASE, **settings)
    config = folder.path / "config.yaml"
    plain = config.read_text()
    config.write_text(f"{plain}page: {{title: Ours, intro: Hello, logo_file: logo.svg, public_groups: [shop]}}\n")
    bearer = f"Authorization: Bearer {TOKEN}"
    async with folder.daemon() as daemon:
        port = await port_of(daemon)
        await daemon.until(lambda: len(daemon.lines("failure")) > 9)
        for path in ("/", "/incidents", "/metrics", "/api/v1/endpoints/statuses"):
            public, known = await asked(port, get(path)), await asked(port, get(path, bearer))
            assert [b"inner" in public, b"site 1" in public, b"site 2" in public] == [False] * 3, path
            assert (b"inner" in known) is True, path
        overview = await asked(port, get("/"))
        assert b"The site is down" in overview
        assert b"<bdi>Ours</bdi>" in overview
        assert b"<p>Hello</p>" in overview
        assert b"watcher_targets 1\n" in await asked(port, get("/metrics"))
        for path in ("/targets/{}", "/api/v1/endpoints/{}/statuses", "/api/v1/endpoints/{}/health/badge.svg"):
            keys = "shop_site-0", "inner_site-1"
            assert [status_of(await asked(port, get(path.format(key)))) for key in keys] == [200, 404], path
        logo = await asked(port, get("/static/logo"))
        assert b"default-src 'none'; style-src 'unsafe-inline'; sandbox" in logo
        assert b"image/svg+xml" in logo
        config.write_text(f"{plain}page: {{title: Theirs}}\n")
        assert status_of(await asked(port, get("/-/reload", bearer, method="POST"))) == 202
        await daemon.until(lambda: daemon.lines("reloaded"))
        assert "page=" in daemon.lines("reloaded")[0]
        after = await asked(port, get("/"))
        assert b"<bdi>Theirs</bdi>" in after
        assert b"3 of 3 sites are down" in after
        assert status_of(await asked(port, get("/static/logo"))) == 404
        await daemon.stop()
