"""Debian's PgBouncer, in front of the PostgreSQL of the tests."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from tests.peers.programs import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
# Of the socket's name; it does not listen on TCP.
PORT = 6432
# Fewer than the daemon's own, so that they change hands.
SERVER_CONNECTIONS = 2


@contextmanager
def running_pgbouncer(server_url: str, mode: str) -> Iterator[str]:
    """Run PgBouncer; yields its URL.

    Args:
        server_url: the URL of a server that listens on TCP, with a password.
        mode: `transaction` or `session`.
    """
    parts = urlsplit(server_url)
    server = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": parts.path.removeprefix("/"),
        "pool_size": SERVER_CONNECTIONS if mode == "transaction" else 20,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)  # it refuses to run as root
        config, log = folder / "pgbouncer.ini", folder / "pgbouncer.log"
        line = " ".join(f"{key}='{value}'" for key, value in server.items())
        settings = {
            "unix_socket_dir": folder,
            "listen_addr": "",
            "listen_port": PORT,
            "auth_type": "any",
            "pool_mode": mode,
        }
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        config.write_text(f"[databases]\nwatched = {line}\n[pgbouncer]\n{text}")
        command = [path_of("pgbouncer", "pgbouncer"), "-u", "nobody", str(config)]
        with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
            try:
                _wait_for(folder / f".s.PGSQL.{PORT}", process, log)
                yield f"postgresql://any:any@/watched?host={quote(name, safe='')}&port={PORT}&sslmode=disable"
            finally:
                process.kill()


def _wait_for(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + START_SECONDS
    while not socket.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < last, log.read_text()
        time.sleep(0.05)
