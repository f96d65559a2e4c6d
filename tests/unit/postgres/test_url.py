"""The URL of an external server, as asyncpg understands it."""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watcher.config.env.settings import Settings, load_settings
from watcher.postgres.url import external_url

# asyncpg's own reading of a URL, which has no public name.
connect_utils: Any = importlib.import_module("asyncpg.connect_utils")


@pytest.fixture
def settings() -> Settings:
    return load_settings(Path("none"), {"CONFIG_FILE_PATH": "config.yaml"})


def parsed(url: str) -> tuple[object, ...]:
    """Let asyncpg read a URL."""
    nothing: dict[str, Any] = dict.fromkeys(inspect.signature(connect_utils._parse_connect_dsn_and_args).parameters)
    addresses, parameters = connect_utils._parse_connect_dsn_and_args(**{**nothing, "dsn": url})
    return addresses, parameters.user, parameters.password, parameters.database


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db", ("db", 6543)),
        ("10.0.0.7", ("10.0.0.7", 6543)),
        ("::1", ("::1", 6543)),
        ("/var/run/postgresql", "/var/run/postgresql/.s.PGSQL.6543"),
    ],
)
def test_hosts_of_all_kinds(settings: Settings, host: str, address: object) -> None:
    odd = "p@ss:w/rd?#%&'\\ ü"
    chosen = replace(
        settings, postgres_host=host, postgres_port=6543, postgres_user="o'b", postgres_password=odd, postgres_db="a b"
    )
    assert parsed(external_url(chosen)) == ([address], "o'b", odd, "a b")
