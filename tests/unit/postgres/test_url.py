"""The URL of an external server, as asyncpg understands it."""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watcher.config.env.settings import Settings, load_settings
from watcher.postgres.servers import Servers, place_of, servers_of
from watcher.postgres.url import external_url

# asyncpg's own parser of URLs, which has no public name.
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
        settings,
        postgres_host=host,
        postgres_ports=(6543,),
        postgres_user="o'b",
        postgres_password=odd,
        postgres_db="a b",
    )
    assert parsed(external_url(chosen)) == ([address], "o'b", odd, "a b")


@pytest.mark.parametrize(
    ("hosts", "ports", "attrs", "places", "wanted"),
    [
        ("a,b,c", (5433,), None, ["a:5433", "b:5433", "c:5433"], ("read-write",)),
        ("a,::1,/run/pg", (1, 2, 3), None, ["a:1", "[::1]:2", "/run/pg:3"], ("read-write",)),
        ("a", (5432,), None, ["a:5432"], ("any",)),
        ("a,b", (5432,), "prefer-standby", ["a:5432", "b:5432"], ("standby", "any")),
        ("a", (5432,), "primary", ["a:5432"], ("primary",)),
    ],
)
def test_several_hosts_are_taken_apart(
    settings: Settings,
    hosts: str,
    ports: tuple[int, ...],
    attrs: str | None,
    places: list[str],
    wanted: tuple[str, ...],
) -> None:
    chosen = replace(settings, postgres_host=hosts, postgres_ports=ports, postgres_target_session_attrs=attrs)
    servers = servers_of(external_url(chosen))
    assert ([place_of(url) for url in servers.urls], servers.wanted) == (places, wanted)
    assert [parsed(url)[1:] for url in servers.urls] == [("postgres", "postgres", "monitordb")] * len(places)


def test_a_reader_uses_a_standby_if_nothing_else_is_there() -> None:
    url = "postgresql://u@/d?host=a,b&port=1,2&target_session_attrs=read-write"
    assert servers_of(url, reads=True).wanted == ("read-write", "any")
    assert servers_of("postgresql://u:p@h:1/d?sslmode=prefer") == Servers(
        ("postgresql://u:p@h:1/d?sslmode=prefer",), ("any",)
    )
