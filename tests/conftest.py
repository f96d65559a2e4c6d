"""The PostgreSQL of the tests: in a container if a Docker engine answers, else the embedded one."""

from __future__ import annotations

import gc
import signal
import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Protocol

import docker
import docker.errors
import hypothesis
import pytest
import trio
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

from watcher import log
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

POSTGRES_IMAGE = "postgres:17-bookworm"
ENGINE_SECONDS = 10
CLEAN_SECONDS = 60

# An example's duration says more about the machine than about the code: there is no deadline. Each run tries the same
# examples, so that it fails because of a change, not by luck; `--hypothesis-profile explore` looks for new ones, and
# for ten times as many.
hypothesis.settings.register_profile("watcher", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("watcher")

# Ryuk, its reaper, needs its own image, which is not available everywhere; the fixture removes the container itself.
testcontainers_config.ryuk_disabled = True


class PostgresServer(Protocol):
    """The common part of a container and of the embedded server."""

    def get_connection_url(self) -> str:
        """Return the URL of the server's database."""


def pytest_report_header() -> str:
    """Return a description of the PostgreSQL that is used."""
    return f"PostgreSQL of the tests: {_container_complaint() or f'container {POSTGRES_IMAGE}'}"


@pytest.fixture(scope="session", autouse=True)
def _log_lines() -> None:
    log.configure()


@pytest.fixture(scope="session", autouse=True)
def _heard_signals() -> None:
    """Let the daemons of the tests receive every signal: nohup, and `&` in a script, make children ignore some."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session."""
    if _container_complaint() is None:
        with PostgresContainer(POSTGRES_IMAGE) as container:
            yield container
    else:
        with _embedded(tmp_path_factory.mktemp("postgres")) as server:
            yield server


@pytest.fixture(scope="session")
def db_config(postgres_container: PostgresServer) -> str:
    """The URL of the server in the form for asyncpg, which does not know SQLAlchemy's drivers."""
    return postgres_container.get_connection_url().replace("postgresql+psycopg2://", "postgresql://")


@pytest.fixture
async def bridge() -> AsyncIterator[None]:
    """The asyncio loop that a Database needs."""
    async with open_bridge():
        yield


@pytest.fixture
async def test_db(bridge: None, db_config: str) -> AsyncIterator[Database]:
    """A connected database with empty tables."""
    async with open_database(db_config) as database:
        # Connections of the previous test may still be at work there, and delay it.
        await database.fetch("DROP SCHEMA public CASCADE", limit_seconds=CLEAN_SECONDS)
        await database.fetch("CREATE SCHEMA public")
        await database.init_db()
        yield database


class _EmbeddedServer:
    def __init__(self, url: str) -> None:
        self._url = url

    def get_connection_url(self) -> str:
        return self._url


@contextmanager
def _embedded(folder: Path) -> Iterator[PostgresServer]:
    server = EmbeddedPostgres(folder, max_connections=60)  # several daemons are at several places
    url = server.url()
    assert server.try_hold()
    trio.run(server.start)
    try:
        yield _EmbeddedServer(url)
    finally:
        trio.run(server.stop)


@cache
def _container_complaint() -> str | None:
    """Return why the embedded PostgreSQL is used, or None if a container is."""
    client = _docker_client()
    if client is None:
        # docker-py leaves the socket open if it gets no answer.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()
        return "embedded, since no Docker engine answers"
    try:
        client.images.get(POSTGRES_IMAGE)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(POSTGRES_IMAGE)
        except docker.errors.APIError:
            return f"embedded, since the Docker engine has no {POSTGRES_IMAGE} and cannot pull it"
    finally:
        client.close()
    return None


def _docker_client() -> docker.DockerClient | None:
    try:
        return docker.from_env(timeout=ENGINE_SECONDS)
    except docker.errors.DockerException:
        return None
