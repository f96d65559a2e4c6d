"""Runs the server: one nginx with a plain port, one for TLS and one for HTTP/2, which counts what it serves."""

from __future__ import annotations

import http.client
import re
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

from benchmarks.children import environment, free_port, running, wait_running
from benchmarks.machine import NGINX
from benchmarks.workload import BODY, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 10.0
DESCRIPTORS_FOR_OTHER_THINGS = 64

# No tickets and no session cache: every handshake is a full one, for every program.
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    default_type text/html;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    ssl_certificate site.pem;
    ssl_certificate_key site.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off;
    server {{
        listen 127.0.0.1:{http_port} backlog=4096;
        listen 127.0.0.1:{https_port} ssl backlog=4096;
        location /t/ {{ return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{http2_port} ssl http2 backlog=4096;
        if ($server_protocol != HTTP/2.0) {{ return 505; }}
        location /t/ {{ return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{status_port};
        location /status {{ stub_status; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """nginx's counters since its start, including the benchmark's own requests."""

    connections: int
    requests: int

    @classmethod
    def parse(cls, text: str) -> Served:
        """Parse a page of stub_status.

        Raises:
            ValueError: it is not a page of stub_status.
        """
        found = re.search(r"requests\s+(\d+)\s+\d+\s+(\d+)", text)
        if found is None:
            raise ValueError(f"not a page of stub_status: {text[:100]!r}")
        return cls(connections=int(found[1]), requests=int(found[2]))

    def since(self, earlier: Served) -> Served:
        """Return the counts since an earlier reading, without this one."""
        return Served(self.connections - earlier.connections - 1, self.requests - earlier.requests - 1)


@dataclass(frozen=True, slots=True)
class Site:
    """A running nginx.

    Attributes:
        ports: the port of each kind.
        status_port: the port of its counters.
        certificate_authority: the file of the authority of its certificate.
    """

    ports: dict[Kind, int]
    status_port: int
    certificate_authority: Path

    def origin(self, kind: Kind) -> str:
        """Return the start of all addresses of a kind."""
        return f"{kind.scheme}://127.0.0.1:{self.ports[kind]}"

    def served(self) -> Served:
        """Read its counters.

        Raises:
            OSError: it does not answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/status", headers={"Connection": "close"})
            return Served.parse(connection.getresponse().read().decode("ascii"))
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, core: int) -> Iterator[Site]:
    """Run nginx on one core, with everything it writes in a folder."""
    authority = write_certificates(folder)
    ports = {kind: free_port() for kind in (Kind.HTTP, Kind.HTTPS, Kind.HTTP2)}
    site = Site({**ports, Kind.KEEP_ALIVE: ports[Kind.HTTP]}, free_port(), authority)
    (folder / "nginx.conf").write_text(configuration(site, _descriptors()), encoding="utf-8")
    said = folder / "error.log"
    command = [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with running(command, folder, core, environment(authority), said) as process:
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            wait_running(process, 0.05, said)
            try:
                site.served()
            except OSError:
                if time.monotonic() > give_up_at:
                    raise
                continue
            break
        yield site


def configuration(site: Site, descriptors: int) -> str:
    """Return the text of nginx.conf.

    Args:
        site: its ports.
        descriptors: the most files and sockets that nginx may have open.
    """
    return CONFIGURATION.format(
        connections=descriptors - DESCRIPTORS_FOR_OTHER_THINGS,
        http_port=site.ports[Kind.HTTP],
        https_port=site.ports[Kind.HTTPS],
        http2_port=site.ports[Kind.HTTP2],
        status_port=site.status_port,
        body=BODY.replace('"', '\\"'),
    )


def write_certificates(folder: Path) -> Path:
    """Write the site's certificate and key (RSA 2048, with an intermediate, as usual sites have), and the root.

    Returns:
        the file of the root, for the programs that check.
    """
    root = trustme.CA(key_type=trustme.KeyType.RSA)
    intermediate = root.create_child_ca(key_type=trustme.KeyType.RSA)
    site = intermediate.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    site.private_key_and_cert_chain_pem.write_to_path(str(folder / "site.pem"))
    root.cert_pem.write_to_path(str(folder / "authority.pem"))
    return folder / "authority.pem"


def _descriptors() -> int:
    """Raise the limit of descriptors to the system's maximum, for nginx to inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
