"""Proxies in front of the page: foreign programs, each with its configuration from `docs/page.md`."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from tests.integration.daemon import PROJECT
from tests.peers.programs import path_of
from tests.peers.prometheus import running

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

SECONDS = 60
PORT = 8443
PUBLIC, PRIVATE = "status.example", "www.example"  # the latter has its page at /watcher/
CERTIFICATE = "client.pem"  # with its key, in the folder above the folders of the proxies
_APACHE_MODULES = ("mpm_event", "authz_core", "alias", "headers", "proxy", "proxy_http", "socache_shmcb", "ssl")


def own_address(number: int) -> str:
    """Return a loopback address of this machine that no other process uses.

    Args:
        number: its number, below 16.
    """
    return f"127.{64 + number}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"


@dataclass(frozen=True)
class Client:
    """A browser, or a client that acts as one.

    Attributes:
        proxy: the address to connect to.
        context: trusts the proxy.
        address: its own address.
    """

    proxy: str
    context: ssl.SSLContext
    address: str

    @asynccontextmanager
    async def asking(self, host: str, path: str, *headers: str, method: str = "GET") -> AsyncIterator[trio.SSLStream]:  # type: ignore[type-arg]
        """Send a request, and return the response."""
        async with trio.SSLStream(
            await trio.open_tcp_stream(self.proxy, PORT, local_address=self.address),
            self.context,
            server_hostname=host,
            https_compatible=True,
        ) as stream:
            own = [] if any(header.startswith("Host:") for header in headers) else [f"Host: {host}"]
            lines = [f"{method} {path} HTTP/1.1", *own, "Connection: close", *headers, "", ""]
            await stream.send_all("\r\n".join(lines).encode())
            yield stream

    async def ask(self, host: str, path: str, *headers: str, method: str = "GET") -> tuple[int, str]:
        """Return the status and the whole response."""
        async with self.asking(host, path, *headers, method=method) as stream:
            received = b""
            async for data in stream:
                received += data
        return int(received.split(b" ", 2)[1]), received.decode()

    async def reaches(self, host: str, path: str) -> bool:
        """Return whether the server answers with success; a proxy without its certificate may close connections."""
        try:
            return (await self.ask(host, path))[0] == 200
        except (OSError, trio.BrokenResourceError):
            return False


@dataclass(frozen=True)
class ProxyProgram:
    """A foreign program.

    Attributes:
        name: the heading in the document.
        language: the language of the block there.
        whole: returns a whole configuration with that block, for a listening address and a folder.
        command: returns its command, for the file of the configuration, its folder and the listening address.
    """

    name: str
    language: str
    whole: Callable[[str, str, Path], str]
    command: Callable[[Path, Path, str], Sequence[str]]


def documented(program: ProxyProgram) -> str:
    """Return the configuration in the document."""
    text = (PROJECT / "docs" / "page.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"### {program.name}\n\n```{program.language}\n(.*?)```", text, re.DOTALL)
    return str(found)


@asynccontextmanager
async def running_proxy(
    program: ProxyProgram, client: Client, places: Mapping[str, str], folder: Path
) -> AsyncIterator[Path]:
    """Run a proxy until it leads to both places, and return its log.

    Args:
        program: the proxy.
        client: knows its address.
        places: the document's ports and files, with their values here.
        folder: its own folder.
    """
    text = documented(program)
    for place, here in places.items():
        assert place in text or (program.name == "Caddy" and place.startswith("/etc/ssl")), place
        text = text.replace(place, here)
    config = folder / "proxy.conf"
    config.write_text(program.whole(text, client.proxy, folder))
    async with running(program.command(config, folder, client.proxy), folder / "log") as (process, log):
        with trio.move_on_after(SECONDS):
            while not (await client.reaches(PUBLIC, "/livez") and await client.reaches(PRIVATE, "/watcher/livez")):
                assert process.poll() is None, f"{program.name}: {log.read_text()}"
                await trio.sleep(0.1)
            yield log
            return
        raise AssertionError(f"{program.name}: {log.read_text()}")


def _nginx(text: str, address: str, folder: Path) -> str:
    folders = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    http = f"access_log off; {folders}\n{text.replace('listen 443', f'listen {address}:{PORT}')}"
    return f"daemon off; master_process off; pid {folder}/pid; events {{}}\nhttp {{ {http} }}\n"


def _caddy(text: str, address: str, folder: Path) -> str:
    # It would request certificates by itself.
    tls = f"bind {address}\n tls {folder.parent / CERTIFICATE} {folder.parent / CERTIFICATE}\n"
    sites = re.sub(r"^(\S+\.example) \{\n", rf"\1:{PORT} {{\n {tls}", text, flags=re.MULTILINE)
    return f"{{\n admin off\n auto_https off\n storage file_system {folder}\n}}\n{sites}"


def _apache(text: str, address: str, folder: Path) -> str:
    modules = "".join(f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so\n" for one in _APACHE_MODULES)
    own = f"ServerName {address}\nServerRoot {folder}\nPidFile pid\nErrorLog error.log\nMutex file:{folder}\n"
    return f"{modules}{own}User nobody\nGroup nogroup\nListen {address}:{PORT}\n{text.replace('*:443', f'*:{PORT}')}"


def _nginx_command(config: Path, folder: Path, _address: str) -> list[str]:
    return [path_of("nginx", "nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]


def _caddy_command(config: Path, _folder: Path, _address: str) -> list[str]:
    return [path_of("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]


def _apache_command(config: Path, folder: Path, _address: str) -> list[str]:
    return [path_of("apache2", "apache2-bin"), "-X", "-d", str(folder), "-f", str(config)]


PROXIES = (
    ProxyProgram("nginx", "nginx", _nginx, _nginx_command),
    ProxyProgram("Caddy", "caddyfile", _caddy, _caddy_command),
    ProxyProgram("Apache", "apache", _apache, _apache_command),
)
