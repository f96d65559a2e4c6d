"""Takes the two pictures of the README, with a daemon that watches invented sites: `python -m tests.peers.pictures`.

It listens on port 443 of 127.0.0.1, which only root may.
"""

from __future__ import annotations

import json
import random
import ssl
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
import trustme
import yaml
from playwright.sync_api import expect

from tests.integration.daemon import Folder
from tests.integration.history_rows import put_alive, put_state
from tests.integration.sites import read_request, response
from tests.integration.test_page import port_of
from tests.peers.browsers import a_page, in_browser
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.history.rollup import Measurement, roll_up, rollup_rows
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import open_database
from watcher.postgres.tables.rollups import INSERT_ROLLUPS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from watcher.postgres.db import Database

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
MAX_PICTURE_BYTES = 200 * 1000
DAY = timedelta(days=1)
HTTPS_PORT = 443

# Group, name, host, and the delay of its server in milliseconds.
SITES = (
    ("Shop", "Storefront", "shop.example", 90),
    ("Shop", "Checkout", "checkout.shop.example", 210),
    ("Shop", "Search", "search.shop.example", 60),
    ("Shop", "Product images", "images.shop.example", 25),
    ("Accounts", "Sign-in", "login.example", 120),
    ("Accounts", "Mail", "mail.example", 75),
    ("Developers", "API", "api.example", 45),
    ("Developers", "Documentation", "docs.example", 30),
    ("Developers", "Package index", "packages.example", 150),
)
_NO_UPSTREAM = ("status", "503 Service Unavailable")
_SLOWLY = ("slow", "took 93 ms, more than 50 ms")
# The site, how many days ago, how many minutes it lasted (None if it goes on), and the reason.
OUTAGES: tuple[tuple[str, float, int | None, str, tuple[str, str]], ...] = (
    ("Checkout", 0.45, 14, "down", _NO_UPSTREAM),
    ("Checkout", 11, 38, "down", _NO_UPSTREAM),
    ("Checkout", 40, 5, "down", _NO_UPSTREAM),
    ("Search", 3, 9, "down", _NO_UPSTREAM),
    ("Search", 67, 120, "down", _NO_UPSTREAM),
    ("Sign-in", 22, 17, "down", _NO_UPSTREAM),
    ("Storefront", 80, 4, "degraded", _SLOWLY),
    ("Package index", 6, 52, "down", _NO_UPSTREAM),
    ("Package index", 55, 12, "down", _NO_UPSTREAM),
    ("Package index", 0.017, None, "down", _NO_UPSTREAM),
    ("Mail", 0.11, None, "degraded", _SLOWLY),
)
FAILING = "Package index"
SLOW = "Mail"
_FLIP = """
INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail)
VALUES ($1, $2, 'default', $3, $3, $4, $5, $6, $7)
"""


async def main() -> None:
    """Take both."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder = Folder(Path(name))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder.path / "ca.pem")
        await _put_history(folder.path / "data")
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, _context(authority))
            _configure(folder)
            async with folder.daemon() as daemon:
                await daemon.until(lambda: daemon.lines("database connected"))
                await daemon.until(lambda: daemon.lines(f'failure target="{FAILING}"'))
                await daemon.until(lambda: len(folder.successes()) > 2 * len(SITES))
                port = await port_of(daemon)
                await in_browser(lambda browser: _take(browser, f"http://127.0.0.1:{port}/"))
                await daemon.stop()
            nursery.cancel_scope.cancel()


def _configure(folder: Folder) -> None:
    urls: list[dict[str, Any]] = [
        {"name": name, "group": group, "address": f"https://{host}/", "interval": 2} for group, name, host, _ in SITES
    ]
    for url in urls:
        url["degraded_after"] = 0.05 if url["name"] == SLOW else 5
    folder.configure(urls, WATCHER_HTTP="127.0.0.1:0")
    written = folder.path / "config.yaml"
    document = yaml.safe_load(written.read_text())
    document["defaults"] = {
        "resolve_to": "127.0.0.1",
        "tls_config": {"ca_file": "ca.pem"},
        "timeout": 2,
        "failure_threshold": 1,
        "success_threshold": 1,
    }
    document["page"] = {"title": "Example status"}
    written.write_text(yaml.safe_dump(document))


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    hosts = [host for _, _, host, _ in SITES]
    authority.issue_cert(*hosts, not_after=datetime.now(UTC) + 64 * DAY).configure_cert(context)
    return context


async def _serve(context: ssl.SSLContext, *, task_status: Any) -> None:
    names = {host: (name, milliseconds) for _, name, host, milliseconds in SITES}

    async def answer(stream: trio.SocketStream) -> None:
        try:
            async with trio.SSLStream(stream, context, server_side=True) as served:
                request = (await read_request(served)).decode("latin-1").lower()
                name, milliseconds = names[request.partition("host: ")[2].partition("\r\n")[0]]
                await trio.sleep(milliseconds / 1000)
                failed = response(b"no healthy upstream", "503 Service Unavailable")
                await served.send_all(failed if name == FAILING else response(b"x" * 20_000))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the check has disconnected

    listeners = await trio.open_tcp_listeners(HTTPS_PORT, host="127.0.0.1")
    task_status.started()
    await trio.serve_listeners(answer, listeners)


async def _put_history(data_dir: Path) -> None:
    """Insert ninety days and more into the tables of a daemon that has not run yet, as if it had always watched."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await trio.Path(data_dir).mkdir()
    server = EmbeddedPostgres(data_dir)
    assert server.try_hold()
    try:
        await server.start()
        async with open_bridge(), open_database(server.url()) as database:
            await database.init_db()
            for _, name, _, milliseconds in SITES:
                await _put_flips(database, name, now)
                await _put_times(database, name, milliseconds, now)
            await put_alive(database)
        await server.stop()
    finally:
        server.release()


async def _put_flips(database: Database, name: str, now: datetime) -> None:
    flips: list[tuple[datetime, str, tuple[str, str] | None]] = [(now - 400 * DAY, "up", None)]
    for site, days_ago, minutes, worse, cause in OUTAGES:
        if site == name:
            start = now - days_ago * DAY
            flips.append((start, worse, cause))
            if minutes:
                flips.append((start + timedelta(minutes=minutes), "up", None))
    before = "pending"
    for at, state, why in sorted(flips):
        await database.fetch(_FLIP, uuid.uuid4(), name, at, state, before, *(why or (None, None)))
        before = state
    at, state, why = max(flips)
    await put_state(database, name, state, since=at, why=why)


async def _put_times(database: Database, name: str, milliseconds: int, now: datetime) -> None:
    """Insert the durations of checks of the last day, which was busier in its middle."""
    luck = random.Random(name)  # the pictures are the same each time
    rows = []
    for quarter in range(96):
        began_at = now - timedelta(minutes=15 * (quarter + 1))
        load = 1 + 0.5 * max(0.0, 1 - abs(quarter - 40) / 24)
        measured = []
        for _ in range(6):
            processing = milliseconds * load * luck.lognormvariate(0, 0.18)
            phases = [luck.uniform(1, 3), luck.uniform(6, 9), luck.uniform(13, 19), processing, luck.uniform(3, 8)]
            micro = [round(1000 * value) for value in (sum(phases), *phases)]
            measured.append(Measurement(name, "default", "up", micro))
        rows += rollup_rows(roll_up(measured), began_at, part=1)
    for row in rows:
        await database.fetch(INSERT_ROLLUPS, json.dumps([row]))


def _take(browser: Browser, url: str) -> None:
    """Take a page in light and in dark colours."""
    for path, file, dark in (("", "overview.png", False), ("targets/shop_checkout", "target.png", True)):
        with a_page(browser, url + path, dark=dark, zone="UTC") as page:
            expect(page.locator("#asof")).to_contain_text("live")
            content = page.screenshot(path=FOLDER / file)
            assert len(content) < MAX_PICTURE_BYTES, f"{file} has {len(content)} bytes"


if __name__ == "__main__":
    trio.run(main)
