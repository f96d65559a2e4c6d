"""A cluster of two PostgreSQL servers under Patroni, with Debian's etcd, which decides which one leads."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import trio
import yaml

from tests.peers.programs import path_of
from watcher.embedded_postgres.binaries import find_binaries
from watcher.embedded_postgres.os_user import OsUser, server_os_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUIREMENTS = Path(__file__).with_name("patroni.txt")
PASSWORD = "pw-of-the-cluster"
NODES = ("one", "two")
# The least that Patroni accepts; after it, a killed leader is replaced.
TTL_SECONDS = 20
START_SECONDS, CHANGE_SECONDS = 60.0, 60.0


@dataclass(frozen=True)
class Node:
    """One server with its Patroni.

    Attributes:
        name: in the cluster.
        port: of PostgreSQL, on 127.0.0.1.
        api_port: of Patroni.
        process: of Patroni; it leads a session of its own, and PostgreSQL leads another.
        data: the folder of PostgreSQL.
    """

    name: str
    port: int
    api_port: int
    process: subprocess.Popen[bytes]
    data: Path

    def kill(self) -> None:
        """Kill Patroni and PostgreSQL, as a machine that loses power."""
        self.process.kill()
        self.process.wait()
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    nodes: tuple[Node, ...]

    @property
    def settings(self) -> dict[str, object]:
        """The values of POSTGRES_HOST and the like."""
        return {
            "POSTGRES_HOST": ",".join("127.0.0.1" for _ in self.nodes),
            "POSTGRES_PORT": ",".join(str(node.port) for node in self.nodes),
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": "postgres",
            "POSTGRES_SSLMODE": "disable",
        }

    @property
    def url(self) -> str:
        """The address of the leader."""
        hosts, ports = self.settings["POSTGRES_HOST"], self.settings["POSTGRES_PORT"]
        options = f"host={hosts}&port={ports}&sslmode=disable&target_session_attrs=read-write"
        return f"postgresql://postgres:{PASSWORD}@/postgres?{options}"

    async def leader(self, other_than: str | None = None) -> Node:
        """Wait until a node leads and another follows it without lag, or until another node leads than before."""
        with trio.fail_after(CHANGE_SECONDS):
            while True:
                for node in self.nodes:
                    members = await _members(node)
                    leading = [one["name"] for one in members if one.get("role") == "leader"]
                    following = [one for one in members if one.get("state") == "streaming"]
                    if leading and leading[0] != other_than and (following or other_than is not None):
                        return next(one for one in self.nodes if one.name == leading[0])
                await trio.sleep(0.2)

    async def switch_over(self, leader: Node) -> None:
        """Make the other node the leader."""
        candidate = next(node.name for node in self.nodes if node is not leader)
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"http://127.0.0.1:{leader.api_port}/switchover",
                json={"leader": leader.name, "candidate": candidate},
                timeout=CHANGE_SECONDS,
            )
        assert answer.status_code == 200, answer.text


async def _members(node: Node) -> list[dict[str, Any]]:
    """Query a node for the members of the cluster; it may be gone."""
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{node.api_port}/cluster", timeout=2.0)
    except httpx.HTTPError:
        return []
    found: list[dict[str, Any]] = answer.json().get("members", [])
    return found


@asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run a cluster in an empty folder while the block runs."""
    binaries = find_binaries()
    patroni = await trio.to_thread.run_sync(_install, folder)
    user = server_os_user(folder, binaries)
    with ExitStack() as stack:
        etcd_port = _held_port(stack)
        etcd = _start(stack, _etcd_command(folder, etcd_port, _held_port(stack)), folder / "etcd.log", OsUser())
        await _until_it_serves(etcd_port, etcd)
        nodes = []
        for name in NODES:
            home = folder / name
            home.mkdir()
            user.own(home)
            port, api_port = _held_port(stack), _held_port(stack)
            config = home / "patroni.yml"
            config.write_text(yaml.safe_dump(_configuration(name, home, binaries, etcd_port, port, api_port)))
            user.own(config)
            process = _start(stack, [str(patroni), str(config)], folder / f"{name}.log", user)
            nodes.append(Node(name, port, api_port, process, home / "data"))
            stack.callback(_end_postgres, home / "data")
        cluster = Cluster(tuple(nodes))
        try:
            await cluster.leader()
        except trio.TooSlowError:
            logs = "\n".join((folder / f"{name}.log").read_text()[-3000:] for name in NODES)
            raise AssertionError(f"no cluster came up:\n{logs}") from None
        yield cluster


def _install(folder: Path) -> Path:
    """Install Patroni for Debian's Python, and return its program: PostgreSQL, and its parent, must not be root."""
    folder.chmod(0o755)
    environment = folder / "patroni"
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    subprocess.run(pip, check=True)
    return environment / "bin" / "patroni"


def _held_port(stack: ExitStack) -> int:
    """Return a port that no other program gets: a socket that never listens is bound to it."""
    place = stack.enter_context(socket.socket())
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for the later listener
    place.bind(("127.0.0.1", 0))
    port: int = place.getsockname()[1]
    return port


def _start(stack: ExitStack, command: list[str], log: Path, user: OsUser) -> subprocess.Popen[bytes]:
    said = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [*user.prefix, *command], stdout=said, stderr=said, cwd="/", start_new_session=True, **user.options
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _end_postgres(data: Path) -> None:
    """Kill a server that outlives its Patroni."""
    with suppress(OSError, ValueError, IndexError):  # it is gone
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def _etcd_command(folder: Path, port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        path_of("etcd", "etcd-server"),
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"),
    ]


async def _until_it_serves(port: int, process: subprocess.Popen[bytes]) -> None:
    with trio.fail_after(START_SECONDS):
        while True:
            assert process.poll() is None, "etcd has ended, see etcd.log"
            try:
                async with httpx.AsyncClient() as client:
                    if json.loads((await client.get(f"http://127.0.0.1:{port}/health")).text)["health"] == "true":
                        return
            except httpx.HTTPError:
                pass
            await trio.sleep(0.1)


def _configuration(name: str, home: Path, binaries: Path, etcd_port: int, port: int, api_port: int) -> dict[str, Any]:
    """Write a node's configuration."""
    accounts = {"superuser": {"username": "postgres", "password": PASSWORD}}
    accounts["replication"] = {"username": "replicator", "password": PASSWORD}
    dynamic = {"ttl": TTL_SECONDS, "loop_wait": 1, "retry_timeout": 3}
    return {
        "scope": "watched",
        "name": name,
        "restapi": {"listen": f"127.0.0.1:{api_port}", "connect_address": f"127.0.0.1:{api_port}"},
        "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
        "bootstrap": {
            "dcs": {**dynamic, "postgresql": {"use_pg_rewind": True, "parameters": {"wal_keep_size": "128MB"}}},
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{port}",
            "connect_address": f"127.0.0.1:{port}",
            "data_dir": str(home / "data"),
            "bin_dir": str(binaries),
            "pgpass": str(home / "pgpass"),
            "authentication": accounts,
            "pg_hba": ["host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"],
            "parameters": {"unix_socket_directories": "", "shared_buffers": "16MB", "max_connections": 50},
        },
    }
