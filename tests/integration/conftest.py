"""Fixtures that the tests of the daemon share, and those of the transport with the tests of bad servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.conftest import certificates, no_garbage_collection
from tests.integration.daemon import Folder
from tests.integration.own_server import make_server
from tests.integration.proxy import Proxy, open_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.postgres.db import Database

__all__ = ["certificates", "folder", "made_server", "no_garbage_collection", "proxy"]


@pytest.fixture(scope="session")
def made_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a server that exists and does not run, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    make_server(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder, in which a daemon may run."""
    return Folder(tmp_path)


@pytest.fixture
async def proxy(test_db: Database, db_config: str) -> AsyncIterator[Proxy]:
    """A proxy between a daemon and the database of the tests, which may fail."""
    async with open_proxy(db_config) as proxy:
        yield proxy
