"""Runs what the programs need, on the other core: nginx, which counts what it serves, and PostgreSQL."""

import os
import re
import resource
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import ProxyHandler, build_opener

import click
import trio
import trustme

from benchmarks.children import Child, Cores, free_port, running
from benchmarks.showing import NGINX
from benchmarks.workload import BODY, Kind
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database

START_SECONDS = 10.0
DESCRIPTORS, DESCRIPTORS_FOR_OTHER_THINGS = 65_536, 64
MAX_CONNECTIONS = 100  # PostgreSQL's own default, which is enough for several replicas
COMMAND_SECONDS = 60.0
EMPTY = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

# No tickets and no session cache: every handshake is a full one, for every program.
CONFIGURATION = """
daemon off; master_process off; pid nginx.pid; error_log error.log crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off; default_type text/html; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    ssl_certificate site.pem; ssl_certificate_key site.pem; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl backlog=4096;
        location /t/ {{ return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{http2} ssl http2 backlog=4096;
        if ($server_protocol != HTTP/2.0) {{ return 505; }}
        location /t/ {{ return 200 "{body}"; }}
    }}
    server {{ listen 127.0.0.1:{status}; location /status {{ stub_status; }} }}
}}
"""


class Site:
    """A running nginx: the port of each kind, and the file of the authority of its certificate."""

    def __init__(self, folder: Path) -> None:
        """Write configuration and certificates into its folder."""
        ports = {kind: free_port() for kind in (Kind.HTTP, Kind.HTTPS, Kind.HTTP2)}
        self.ports = {**ports, Kind.KEEP_ALIVE: ports[Kind.HTTP]}
        self.authority = folder / "authority.pem"
        self._status_port = free_port()
        self._asked = 0
        # RSA 2048 with an intermediate, as usual sites have.
        root = trustme.CA(key_type=trustme.KeyType.RSA)
        site = root.create_child_ca(key_type=trustme.KeyType.RSA).issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
        site.private_key_and_cert_chain_pem.write_to_path(str(folder / "site.pem"))
        root.cert_pem.write_to_path(str(self.authority))
        # nginx inherits the limit of descriptors.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = min(hard, DESCRIPTORS) if hard != resource.RLIM_INFINITY else DESCRIPTORS
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        rest = {"status": self._status_port, "connections": most - DESCRIPTORS_FOR_OTHER_THINGS}
        text = CONFIGURATION.format(**ports, **rest, body=BODY.replace('"', '\\"'))
        (folder / "nginx.conf").write_text(text, encoding="utf-8")

    def requests(self) -> int:
        """Return the number of requests so far, without those for this number.

        Raises:
            OSError: it does not answer.
        """
        url = f"http://127.0.0.1:{self._status_port}/status"
        with build_opener(ProxyHandler({})).open(url, timeout=START_SECONDS) as response:
            counted = requests_in(response.read().decode("ascii"))
        self._asked += 1  # nginx counts a request before it answers it
        return counted - self._asked


def requests_in(page: str) -> int:
    """Return the number of requests on a page of stub_status."""
    found = re.search(r"requests\s+\d+\s+\d+\s+(\d+)", page)
    assert found, page
    return int(found[1])


@contextmanager
def serving_site(core: int) -> Iterator[Site]:
    """Run nginx on one core, with everything it writes in a folder of its own."""
    if NGINX is None:
        raise click.ClickException("nginx is not installed; on Debian: apt install nginx-light")
    with TemporaryDirectory(prefix="benchmark-") as name:
        site = Site(Path(name))
        command = [NGINX, "-p", name, "-c", "nginx.conf", "-e", "error.log"]
        with running(command, Path(name), core, site.authority, said="error.log") as server:
            give_up_at = time.monotonic() + START_SECONDS
            while True:
                server.go_on(0.05)
                try:
                    site.requests()
                    break
                except OSError:
                    if time.monotonic() > give_up_at:
                        raise
            yield site


@contextmanager
def serving_database() -> Iterator[str]:
    """Run watcher's embedded server as one that any program may use, on the core of this process; yield its URL."""
    with TemporaryDirectory(prefix="benchmark-") as name:
        server = EmbeddedPostgres(Path(name), max_connections=MAX_CONNECTIONS)
        held = server.try_hold()
        assert held
        try:
            trio.run(server.start)
            yield server.url()
        finally:
            trio.run(server.stop)


def settings_of(url: str) -> dict[str, object]:
    """Return the settings of `.env` that make watcher use a server; its URL has host and port in the query."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "POSTGRES_HOST": query["host"][0],
        "POSTGRES_PORT": query["port"][0],
        "POSTGRES_USER": parts.username,
        "POSTGRES_PASSWORD": unquote(parts.password or ""),
        "POSTGRES_DB": parts.path.removeprefix("/"),
        "POSTGRES_SSLMODE": "disable",
    }


@asynccontextmanager
async def opened(url: str, *commands: str) -> AsyncIterator[Database]:
    """Open a database, after some commands there; this is trio-flavoured, and has a bridge of its own."""
    async with open_bridge(), open_database(url, command_seconds=COMMAND_SECONDS) as database:
        for command in commands:
            await database.fetch(command)
        yield database


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """Run one query, in a loop of its own."""

    async def run() -> list[dict[str, Any]]:
        async with opened(url) as database:
            return await database.fetch(query)

    return trio.run(run)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all programs share: the site to check, the URL of the database for failures, and the cores to run on."""

    site: Site
    database: str
    cores: Cores

    def running(self, command: Sequence[str], folder: Path, beside: str = "") -> AbstractContextManager[Child]:
        """Run the measured program on a core of its own or, under a name, one beside it on the other core."""
        core = self.cores.others if beside else self.cores.program
        return running(command, folder, core, self.site.authority, f"{beside}.said")


@contextmanager
def serving() -> Iterator[Bench]:
    """Run nginx and PostgreSQL on one core; this process moves there first, and they inherit it."""
    cores = Cores.here()
    os.sched_setaffinity(0, {cores.others})
    with serving_site(cores.others) as site, serving_database() as database:
        yield Bench(site, database, cores)
