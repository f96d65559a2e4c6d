"""POSTGRES_HOST has several servers; one of them accepts writes, and their roles change."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import trio

from tests.hostile.certificates import Certificates, issue
from tests.integration.own_server import OwnServer, running_server
from tests.integration.proxy import Proxy, open_proxy
from watcher.config.env.settings import load_settings
from watcher.postgres.bridge import COMMAND_SECONDS, CONNECT_SECONDS
from watcher.postgres.connections import ASK_SECONDS
from watcher.postgres.db import Database, open_database
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.postgres.url import external_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITE = "CREATE TEMPORARY TABLE written AS SELECT 1"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def servers(made_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OwnServer, OwnServer]]:
    with (
        running_server(made_server, tmp_path_factory.mktemp("first")) as first,
        running_server(made_server, tmp_path_factory.mktemp("second")) as second,
    ):
        yield first, second


async def test_the_writable_server_is_found_when_others_are_frozen_and_after_a_failover(
    bridge: None, servers: tuple[OwnServer, OwnServer]
) -> None:
    first, second = servers
    await _let(first, read_only=True)
    async with open_proxy(first.url) as stuck, open_proxy(first.url) as one, open_proxy(second.url) as two:
        stuck.freeze()
        url = _url_of(stuck, one, two)
        async with open_database(url) as database, open_database(url, reads=True) as reader:
            with trio.fail_after(CONNECT_SECONDS):
                await database.fetch(WRITE)
                assert await _folder(reader) == str(second.data)
            await _let(first, read_only=False)
            await _let(second, read_only=True)
            with pytest.raises(DatabaseUnavailableError, match="read-only"):
                await database.fetch(WRITE)
            with trio.fail_after(CONNECT_SECONDS):
                await database.fetch(WRITE)
            assert await _folder(database) == str(first.data)
            one.freeze()
            await _let(second, read_only=False)
            with trio.fail_after(CONNECT_SECONDS + COMMAND_SECONDS):
                with pytest.raises(DatabaseUnavailableError, match="does not answer in time"):
                    await database.fetch(WRITE)
                await database.fetch(WRITE)
            assert await _folder(database) == str(second.data)


async def test_without_a_writable_server_each_is_reported_and_readers_use_any(
    bridge: None, servers: tuple[OwnServer, OwnServer]
) -> None:
    first, second = servers
    await _let(first, read_only=True)
    async with open_proxy(first.url) as one, open_proxy(second.url) as two:
        await two.shut()
        url = _url_of(one, two)
        async with open_database(url) as database, open_database(url, reads=True) as reader:
            both = rf"(?=.*127.0.0.1:{one.port} is not read-write)(?=.*127.0.0.1:{two.port}: )"
            with pytest.raises(DatabaseUnavailableError, match=both):
                await database.fetch(WRITE)
            with trio.fail_after(ASK_SECONDS + CONNECT_SECONDS):
                assert await _folder(reader) == str(first.data)


async def test_each_of_several_servers_must_show_a_certificate_that_fits(
    bridge: None, servers: tuple[OwnServer, OwnServer], certificates: Certificates, tmp_path: Path
) -> None:
    first, second = servers
    await _let(first, read_only=True)
    good, other = certificates.good_context(), certificates.context(issue(certificates.root, "other", ["db.example"]))
    async with (
        open_proxy(first.url, good) as stuck,
        open_proxy(first.url, good) as one,
        open_proxy(second.url, good) as two,
        open_proxy(second.url, other) as impostor,
    ):
        stuck.freeze()
        async with open_database(_verified(certificates, tmp_path, stuck, one, impostor, two)) as database:
            with trio.fail_after(CONNECT_SECONDS):
                await database.fetch(WRITE)
            assert await _folder(database) == str(second.data)
        async with open_database(_verified(certificates, tmp_path, one, impostor)) as database:
            both = rf"(?=.*:{one.port} is not read-write)(?=.*:{impostor.port}: .*certificate is refused.*127.0.0.1)"
            with pytest.raises(DatabaseUnavailableError, match=both):
                await database.fetch(WRITE)


def _verified(certificates: Certificates, folder: Path, *proxies: Proxy) -> str:
    """Return the URL of several servers, as settings that verify each write it."""
    url = urlsplit(proxies[0].url())
    settings = {
        "CONFIG_FILE_PATH": "c.yaml",
        "POSTGRES_HOST": ",".join("127.0.0.1" for _ in proxies),
        "POSTGRES_PORT": ",".join(str(proxy.port) for proxy in proxies),
        "POSTGRES_USER": url.username or "",
        "POSTGRES_PASSWORD": url.password or "",
        "POSTGRES_DB": url.path.removeprefix("/"),
        "POSTGRES_SSLMODE": "verify-full",
        "POSTGRES_SSLROOTCERT": certificates.ca_file,
    }
    return external_url(load_settings(folder / ".env", settings))


async def _let(server: OwnServer, *, read_only: bool) -> None:
    """Make a server accept writes or not, as after a change of its role."""
    async with open_database(server.url) as database:

        async def change(connection: object) -> None:
            word = "on" if read_only else "off"
            await connection.execute("SET default_transaction_read_only = off")  # type: ignore[attr-defined]
            await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")  # type: ignore[attr-defined]
            await connection.execute("SELECT pg_reload_conf()")  # type: ignore[attr-defined]

        await database.operate(change)


async def _folder(database: Database) -> str:
    rows = await database.fetch("SELECT current_setting('data_directory') AS folder")
    folder: str = rows[0]["folder"]
    return folder


def _url_of(*proxies: Proxy) -> str:
    """Write the URL of several servers, each through its proxy."""
    parts = urlsplit(proxies[0].url())
    userinfo = parts.netloc.rpartition("@")[0]
    hosts, ports = ",".join("127.0.0.1" for _ in proxies), ",".join(str(proxy.port) for proxy in proxies)
    wanted = f"host={hosts}&port={ports}&sslmode=disable&target_session_attrs=read-write"
    return f"postgresql://{userinfo}@{parts.path}?{wanted}"
