"""Prometheus scrapes a daemon, and answers for each series that is promised."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import trio
import yaml

from tests.integration.daemon import NO_DATABASE, Folder
from tests.integration.sites import answering, response, serving
from tests.integration.test_page import port_of
from tests.peers.programs import path_of
from tests.unit.web.viewers import asked, get, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "0123456789abcdef"
SECONDS = 30
LISTENING = re.compile(r'msg="Listening on" address=(?:127\.0\.0\.1|\[::\]):([1-9]\d*)')
OF_TARGETS = (
    *("probe_success", "probe_duration_seconds", "probe_http_duration_seconds", "probe_http_status_code"),
    *("probe_http_redirects", "probe_http_version", "probe_failed_due_to_regex", "probe_ip_protocol"),
    *("watcher_target_state", "watcher_checks_total"),
)
OF_DAEMON = (
    *("watcher_check_lateness_seconds_bucket", "watcher_check_duration_seconds_count", "watcher_checks_skipped_total"),
    *("watcher_checks_in_flight", "watcher_check_slots", "watcher_targets", "watcher_outbox_rows"),
    *("watcher_outbox_bytes", "watcher_database_up", "watcher_build_info", "process_resident_memory_bytes"),
    *("process_cpu_seconds_total", "python_gc_collections_total"),
)


@asynccontextmanager
async def prometheus_beside(port: int, folder: Path) -> AsyncIterator[int]:
    """Run Prometheus, which scrapes a daemon each second, and give its port."""
    scrape = {
        "job_name": "watcher",
        "scrape_interval": "1s",
        "authorization": {"credentials": TOKEN},
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    command = [
        path_of("prometheus", "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as said:
        process = await trio.lowlevel.open_process(command, stdout=said, stderr=said)
        try:
            with trio.fail_after(SECONDS):
                while (listening := LISTENING.search(log.read_text())) is None:
                    assert process.poll() is None, log.read_text()
                    await trio.sleep(0.05)
            yield int(listening[1])
        finally:
            process.kill()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await process.wait()


async def answer_to(port: int, query: str) -> list[dict[str, Any]]:
    """Ask Prometheus until it has something to say, and return that."""
    with trio.fail_after(SECONDS):
        while True:
            answered = await asked(port, get(f"/api/v1/query?query={quote(query)}"))
            if status_of(answered) == 200:  # it is 503 before it is ready
                document = json.loads(answered[answered.index(b"{") : answered.rindex(b"}") + 1])
                found: list[dict[str, Any]] = document["data"]["result"]
                if found:
                    return found
            await trio.sleep(0.2)


async def test_prometheus_answers_for_each_series(folder: Folder) -> None:
    promtool = path_of("promtool", "prometheus")
    async with serving(answering(response())) as site:
        urls = [
            {"name": "good", "group": "shop", "address": f"http://127.0.0.1:{site}/", "interval": 0.5},
            {"name": 'a "bad" \\ one', "address": "http://127.0.0.1:1/", "interval": 0.5, "failure_threshold": 1},
        ]
        folder.configure(urls, **NO_DATABASE, WATCHER_HTTP="127.0.0.1:0", WATCHER_HTTP_TOKEN=TOKEN)
        async with folder.daemon() as daemon:
            port = await port_of(daemon)
            await daemon.until(lambda: daemon.lines("failure") and folder.successes())
            in_one_piece = get("/metrics", f"Authorization: Bearer {TOKEN}").replace("HTTP/1.1", "HTTP/1.0")
            plain = (await asked(port, in_one_piece)).partition(b"\r\n\r\n")[2]
            assert b"probe_success" in plain
            async with prometheus_beside(port, folder.path) as prometheus:
                for name in OF_TARGETS:
                    assert await answer_to(prometheus, f'{name}{{target="good"}}'), name
                for name in OF_DAEMON:
                    assert await answer_to(prometheus, name), name
                (bad,) = await answer_to(prometheus, 'watcher_target_state{state="down"}')
                assert bad["metric"]["target"] == 'a "bad" \\ one'
                (up,) = await answer_to(prometheus, "up")
                assert up["value"][1] == "1"
            assert (await daemon.stop())[0] == 0
    checked = await trio.run_process(
        [promtool, "check", "metrics"], stdin=plain, capture_stdout=True, capture_stderr=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
