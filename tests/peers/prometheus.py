"""Debian's Prometheus, and queries to it."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import trio
import yaml

from tests.peers.programs import path_of
from tests.unit.web.viewers import asked, get, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    Sample = dict[str, Any]

# Longer means failure.
SECONDS = 60
_LISTENING = re.compile(r'msg="Listening on" address=(?:127\.0\.0\.1|\[::\]):([1-9]\d*)')


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    async def samples(self, query: str, **more: str) -> list[Sample]:
        """Return a query's samples, which may be none.

        Args:
            query: in PromQL; a wrong one fails the test.
            more: further parameters of the address, such as `time`.
        """
        found: list[Sample] = (await self._get("query", {"query": query, **more}))["result"]
        return found

    async def answer_to(self, query: str) -> list[Sample]:
        """Repeat a query until it has samples, and return them."""
        with trio.move_on_after(SECONDS):
            while True:
                if found := await self.samples(query):
                    return found
                await trio.sleep(0.2)
        raise AssertionError(f"nothing answers {query}")

    async def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        found: list[dict[str, Any]] = (await self._get("alerts", {}))["alerts"]
        return found

    async def _get(self, what: str, query: Mapping[str, str]) -> dict[str, Any]:
        with trio.fail_after(SECONDS):
            while True:
                answered = await asked(self.port, get(f"/api/v1/{what}?{urlencode(query)}"))
                if status_of(answered) != 503:  # before it is ready
                    break
                await trio.sleep(0.1)
        document = json.loads(answered[answered.index(b"{") : answered.rindex(b"}") + 1])
        assert document["status"] == "success", document
        data: dict[str, Any] = document["data"]
        return data


@asynccontextmanager
async def running_prometheus(
    example: Path, scraped: Mapping[str, int], token: str, folder: Path
) -> AsyncIterator[Prometheus]:
    """Run Prometheus with an example of its configuration, but with short intervals and other addresses.

    Args:
        example: the file, beside its rules.
        scraped: ports on this machine, by the value of the label `instance`.
        token: for everything that is scraped.
        folder: for its series and its log.
    """
    config = yaml.safe_load(await trio.Path(example).read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(example.parent / name) for name in config["rule_files"]]
    (job,) = config["scrape_configs"]
    job["authorization"] = {"credentials": token}
    job["static_configs"] = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in scraped.items()
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        path_of("prometheus", "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    async with running(command, folder / "prometheus.log") as (process, log):
        yield Prometheus(await port_in(log, process))


async def port_in(log: Path, process: trio.Process) -> int:
    """Return the port that a program of Prometheus listens on, as soon as its log names it."""
    with trio.fail_after(SECONDS):
        while (listening := _LISTENING.search(said := await trio.Path(log).read_text())) is None:
            assert process.poll() is None, said
            await trio.sleep(0.05)
    return int(listening[1])


@asynccontextmanager
async def running(command: Sequence[str], log: Path) -> AsyncIterator[tuple[trio.Process, Path]]:
    """Run a program with its output in a file, and kill it at the end."""
    with log.open("wb") as said:
        process = await trio.lowlevel.open_process(list(command), stdout=said, stderr=said)
    try:
        yield process, log
    finally:
        process.kill()
        with trio.CancelScope(shield=True), trio.move_on_after(5):
            await process.wait()
