"""The page behind proxies, as `docs/page.md` configures them: at the root of a host, and below a path of another."""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from tests.hostile.certificates import issue
from tests.integration.daemon import NO_DATABASE, Folder
from tests.integration.sites import answering, by_turns, response, serving
from tests.integration.test_page import port_of
from tests.integration.test_tls_options import written
from tests.peers.page_proxies import PRIVATE, PROXIES, PUBLIC, Client, own_address, running_proxy
from watcher.web.access.gate import MAX_FAILURES_IN_WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.hostile.certificates import Certificates
    from tests.integration.daemon import Daemon
    from tests.peers.page_proxies import ProxyProgram

SECONDS = 60
ADDRESS = "http://127.0.0.1:"  # of the site, without its port
PASSWORD = "a long secret"
KNOWN = "Authorization: Basic " + base64.b64encode(f"ops:{PASSWORD}".encode()).decode()
WRONG = "Authorization: Basic " + base64.b64encode(b"ops:guessed").decode()
CHANGE = b"event: change"


async def test_each_documented_proxy_forwards_what_the_page_needs(folder: Folder, certificates: Certificates) -> None:
    pem = written(issue(certificates.root, "status", [PUBLIC, PRIVATE]), folder.path)
    context = ssl.create_default_context(cafile=certificates.ca_file)
    turns = by_turns(answering(response()), answering(response(status="500 Oh")))
    async with (
        serving(turns) as port,
        _daemon(folder.path / "public", port, WATCHER_HTTP_URL=f"https://{PUBLIC}", WATCHER_HTTP_PUBLIC="on") as public,
        _daemon(folder.path / "private", port, WATCHER_HTTP_URL=f"https://{PRIVATE}/watcher") as private,
    ):
        places = {
            "127.0.0.1:8080": f"127.0.0.1:{await port_of(public)}",
            "127.0.0.1:8081": f"127.0.0.1:{await port_of(private)}",
            "/etc/ssl/status.pem": str(pem),
            "/etc/ssl/private/status.key": str(pem),
        }
        async with trio.open_nursery() as nursery:
            for number, program in enumerate(PROXIES):
                client = Client(own_address(number), context, f"127.0.0.{2 + number}")
                nursery.start_soon(_try, program, client, places, folder.path)
        for daemon in (public, private):
            assert (await daemon.stop())[0] == 0
            assert daemon.lines("failed inside watcher") == []


def _daemon(path: Path, site: int, **settings: object) -> AbstractAsyncContextManager[Daemon]:
    path.mkdir()
    folder = Folder(path)
    once = {"interval": 0.4, "failure_threshold": 1, "success_threshold": 1}
    folder.configure(
        [{"name": "unsure", "address": f"http://127.0.0.1:{site}/", **once}],
        **NO_DATABASE,
        WATCHER_HTTP="127.0.0.1:0",
        WATCHER_HTTP_TRUSTED_PROXIES="127.0.0.1",
        WATCHER_HTTP_USER="ops",
        WATCHER_HTTP_PASSWORD=PASSWORD,
        **settings,
    )
    return folder.daemon()


async def _try(program: ProxyProgram, client: Client, places: Mapping[str, str], folder: Path) -> None:
    own = folder / program.name
    own.mkdir()
    async with running_proxy(program, client, places, own) as log:
        try:
            with trio.fail_after(SECONDS):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_try_pages, client)
                    nursery.start_soon(_try_a_reload, client)
                    nursery.start_soon(_try_events, client, PUBLIC, "/events")
                    nursery.start_soon(_try_events, client, PRIVATE, "/watcher/events")
                await _try_wrong_passwords(client)
        except BaseException as error:
            error.add_note(f"behind {program.name}, which said:\n{log.read_text()}")
            raise


async def _try_pages(client: Client) -> None:
    """The public reads no address, and nothing of the private page; links lead to the same place."""
    for host, prefix, without in ((PUBLIC, "", 200), (PRIVATE, "/watcher", 401)):
        status, public_page = await client.ask(host, f"{prefix}/")
        assert (status, ADDRESS in public_page) == (without, False)
        status, page = await client.ask(host, f"{prefix}/", KNOWN)
        assert status == 200
        links = re.findall(r'(?:href|src)="(/[^"]*)"', page)
        assert {link.startswith(f"{prefix}/") for link in links} == {True}
        for link in (one for one in links if "/static/" in one or "/targets/" in one):
            status, answer = await client.ask(host, link, KNOWN)
            assert (status, ADDRESS in answer) == (200, "/targets/" in link), link
    assert (await client.ask(PRIVATE, "/watcher", KNOWN))[0] in {200, 301, 302, 308}
    for headers in (["Host: other.example"], ["Host: other.example", f"X-Forwarded-Host: {PUBLIC}"]):
        status, answer = await client.ask(PUBLIC, "/", KNOWN, *headers)
        assert "unsure" not in answer, (status, headers)


async def _try_a_reload(client: Client) -> None:
    """A known user may write, from the page only."""
    for host, path in ((PUBLIC, "/-/reload"), (PRIVATE, "/watcher/-/reload")):
        own, other = f"Origin: https://{host}", "Origin: https://other.example"
        assert (await client.ask(host, path, KNOWN, own, method="POST"))[0] == 202
        assert (await client.ask(host, path, KNOWN, other, method="POST"))[0] == 403
        assert (await client.ask(host, path, own, method="POST"))[0] == 401


async def _try_events(client: Client, host: str, path: str) -> None:
    """Each change arrives when it has happened; buffered ones would be late."""
    async with client.asking(host, path, KNOWN) as stream:
        received = b""
        while received.count(CHANGE) < 3:
            data = await stream.receive_some()
            assert data, received
            received += data


async def _try_wrong_passwords(client: Client) -> None:
    """The proxy's word decides who sent a request, whatever a client claims, and others are not delayed."""
    answers = set[int]()

    async def guess(number: int) -> None:
        status, _ = await client.ask(PUBLIC, "/", WRONG, f"X-Forwarded-For: 192.0.2.{number}")
        answers.add(status)

    other = replace(client, address=client.address.replace("127.0.0.", "127.0.1."))
    while 429 not in answers:  # on a busy machine, some have their answer before others arrive
        async with trio.open_nursery() as nursery:
            for number in range(2 * MAX_FAILURES_IN_WAIT):
                nursery.start_soon(guess, number)
            assert (await other.ask(PUBLIC, "/", KNOWN))[0] == 200
    assert answers == {401, 429}
