"""Prometheus scrapes two daemons, one well and one not: the series are those of the documents, `deploy/` works."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import trio
import yaml

from tests.hostile.certificates import TOMORROW, issue
from tests.integration.daemon import PROJECT, Folder, settings_for
from tests.integration.proxy import open_proxy
from tests.integration.sites import answering, by_turns, read_request, response, serving, silent
from tests.integration.test_page import port_of
from tests.peers.programs import path_of
from tests.peers.prometheus import SECONDS, running_prometheus
from tests.unit.web.viewers import asked, get

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.hostile.certificates import Certificates
    from tests.integration.daemon import Daemon
    from tests.integration.proxy import Proxy
    from tests.peers.prometheus import Prometheus

TOKEN = "0123456789abcdef"
PROMETHEUS = PROJECT / "deploy" / "prometheus"
DASHBOARD = PROJECT / "deploy" / "grafana" / "dashboard.json"
ODD = 'a "bad" \\ one'
OF_TARGETS = (
    *("probe_success", "probe_duration_seconds", "probe_http_duration_seconds", "probe_http_status_code"),
    *("probe_http_redirects", "probe_http_version", "probe_failed_due_to_regex", "probe_ip_protocol"),
    *("probe_ssl_earliest_cert_expiry", "watcher_target_state", "watcher_checks_total"),
)
OF_DAEMON = (
    *("watcher_check_lateness_seconds_bucket", "watcher_check_duration_seconds_count", "watcher_checks_skipped_total"),
    *("watcher_checks_in_flight", "watcher_check_slots", "watcher_targets", "watcher_outbox_rows"),
    *("watcher_outbox_bytes", "watcher_database_up", "watcher_drain_lag_seconds", "watcher_build_info"),
    *("process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"),
    *("python_gc_collections_total", "watcher_entries_lost_total", "watcher_notifications_total"),
)
# Raised if nothing is scraped at all.
OF_NOTHING = "WatcherMissing"
# Replaces a time in the dashboard.
VARIABLES = {"$__rate_interval": "1m", "$__range": "5m", "$job": "watcher", "$group": ".*"}


async def test_documented_series_exist_and_queries_are_answered(
    folder: Folder, proxy: Proxy, db_config: str, certificates: Certificates
) -> None:
    async with AsyncExitStack() as stack:
        healthy_proxy = await stack.enter_async_context(open_proxy(db_config))
        ill = await stack.enter_async_context(failing(folder, proxy, certificates))
        well = await stack.enter_async_context(healthy(folder, healthy_proxy, certificates))
        long_ago = await stack.enter_async_context(serving(restarting))
        await well.until(lambda: len(well.lines(" up target=")) == 2)
        plain = await _metrics_with(b"watcher_drain_lag_seconds", well)
        await _metrics_with(b"watcher_drain_lag_seconds", ill)
        await proxy.shut()
        scraped = {"healthy": await port_of(well), "failing": await port_of(ill), "gone": 1, "stuck": long_ago}
        prometheus = await stack.enter_async_context(
            running_prometheus(PROMETHEUS / "prometheus.yml", scraped, TOKEN, folder.path)
        )
        for name in OF_TARGETS:
            assert await prometheus.answer_to(f'{name}{{target="secure"}}'), name
        for name in OF_DAEMON:
            assert await prometheus.answer_to(f'{name}{{instance="healthy"}}'), name
        down = await prometheus.answer_to('watcher_target_state{state="down",group="shop"}')
        assert [one["metric"]["target"] for one in down] == [ODD]
        await _every_alert_is_raised(prometheus)
        await _every_panel_has_something_to_show(prometheus)
        assert (await well.stop())[0] == (await ill.stop())[0] == 0
    await _promtool_is_content(plain)


@asynccontextmanager
async def healthy(folder: Folder, proxy: Proxy, certificates: Certificates) -> AsyncIterator[Daemon]:
    """Run a daemon without trouble."""
    async with (
        serving(answering(response())) as plain,
        serving(answering(response()), certificates.good_context()) as secure,
    ):
        urls = [
            {"name": "good", "group": "shop", "address": f"http://127.0.0.1:{plain}/", "interval": 2},
            {"name": "secure", "address": f"https://127.0.0.1:{secure}/", "interval": 2, **_trusting(certificates)},
        ]
        async with _daemon(folder.path / "healthy", urls, proxy, MAX_WORKERS=10) as daemon:
            yield daemon


@asynccontextmanager
async def failing(folder: Folder, proxy: Proxy, certificates: Certificates) -> AsyncIterator[Daemon]:
    """Run a daemon with sites that fail in every way, and with too many of them."""
    short = certificates.context(issue(certificates.root, "short", ["127.0.0.1"], ends=TOMORROW + timedelta(hours=1)))
    once = {"interval": 0.5, "timeout": 0.5, "failure_threshold": 1, "success_threshold": 1}
    refused = "http://127.0.0.1:1/"
    turns = by_turns(answering(response()), answering(response(status="500 Oh")))
    async with serving(silent) as hanging, serving(turns) as unsure, serving(answering(response()), short) as old:
        urls = [
            *({"name": f"dead {number}", "address": refused, **once, "interval": 2} for number in range(4)),
            {"name": ODD, "group": "shop", "address": refused, **once},
            *({"name": f"hanging {n}", "address": f"http://127.0.0.1:{hanging}/", **once} for n in range(3)),
            {"name": "unsure", "address": f"http://127.0.0.1:{unsure}/", **once, "failure_threshold": 100},
            {"name": "blind", "address": "http://[fe80::1%25gone0]/", **once},
            {"name": "secure", "address": f"https://127.0.0.1:{old}/", **once, "cert_expiry_days": 14}
            | _trusting(certificates),
        ]
        settings = {"MAX_WORKERS": 1, "WATCHER_LOCATION": "elsewhere"}
        async with _daemon(folder.path / "failing", urls, proxy, **settings) as daemon:
            yield daemon


def _daemon(path: Path, urls: Sequence[dict[str, Any]], proxy: Proxy, **settings: object) -> Any:
    path.mkdir()
    folder = Folder(path)
    serving_settings = {"WATCHER_HTTP": "127.0.0.1:0", "WATCHER_HTTP_TOKEN": TOKEN}
    channels = [{"name": "ops", "webhook": {"url": "http://127.0.0.1:1/"}}]
    folder.configure(urls, {"channels": channels}, **settings_for(proxy), **serving_settings, **settings)
    return folder.daemon()


def _trusting(certificates: Certificates) -> dict[str, Any]:
    return {"tls_config": {"ca_file": certificates.ca_file}}


async def restarting(stream: trio.abc.Stream) -> None:
    """Be scraped like a daemon that stands still, loses history and messages, and restarts."""
    await read_request(stream)
    series = {
        "watcher_targets": 3,
        "watcher_check_duration_seconds_count": 7,
        "watcher_drain_lag_seconds": 3600,
        "watcher_entries_lost_total": trio.current_time(),
        'watcher_notifications_total{channel="ops",result="given_up"}': trio.current_time(),
        "process_start_time_seconds": trio.current_time(),
    }
    body = "".join(f"{name} {value}\n" for name, value in series.items()).encode()
    await stream.send_all(response(body, headers="Content-Type: text/plain; version=0.0.4\r\n"))


async def _every_alert_is_raised(prometheus: Prometheus) -> None:
    """Wait until each alert is pending or firing for what fails, and none for what is well."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert {rule["labels"]["severity"] for rule in rules.values()} == {"critical", "warning"}
    missing, raised = set(rules), list[dict[str, Any]]()
    with trio.move_on_after(SECONDS):
        while missing := set(rules) - {OF_NOTHING} - {alert["labels"]["alertname"] for alert in raised}:
            await trio.sleep(0.3)
            raised = await prometheus.alerts()
    assert not missing
    for alert in raised:
        told = alert["annotations"]
        assert set(told) == {"summary", "description"}
        assert not [text for text in told.values() if "<" in text or "{{" in text], told
    assert await prometheus.samples(rules[OF_NOTHING]["expr"], time="1000000000")  # when nothing was scraped
    assert await prometheus.samples(rules[OF_NOTHING]["expr"]) == []
    wrong = set(rules)
    with trio.move_on_after(SECONDS):
        while wrong:
            wrong = {name for name in wrong if await _is_raised_for_what_is_well(prometheus, rules[name]["expr"])}
            await trio.sleep(0.3)
    assert not wrong


async def _is_raised_for_what_is_well(prometheus: Prometheus, expression: str) -> bool:
    return any(found["metric"].get("instance") == "healthy" for found in await prometheus.samples(expression))


async def _every_panel_has_something_to_show(prometheus: Prometheus) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    asked_for = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", [])]
    assert len(asked_for) > 30
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables.pop("datasource")["query"] == "prometheus"
    assert set(variables) == {"job", "instance", "group", "target"}
    for instance in ("healthy", "failing"):
        for title, expression in asked_for:
            assert await prometheus.answer_to(_filled_in(expression, instance)), title
        for name, variable in variables.items():
            (found,) = re.findall(r"^label_values\((.*), (\w+)\)$", variable["query"]["query"])
            samples = await prometheus.answer_to(_filled_in(found[0], instance))
            assert found[1] == name
            assert any(name in one["metric"] for one in samples), name


def _filled_in(expression: str, instance: str) -> str:
    for variable, value in {**VARIABLES, "$instance": instance, "$target": "secure"}.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


async def _metrics_with(series: bytes, daemon: Daemon) -> bytes:
    """Scrape until a series appears, each time in one piece."""
    port, request = await port_of(daemon), get("/metrics", f"Authorization: Bearer {TOKEN}")
    with trio.fail_after(SECONDS):
        while True:
            body = (await asked(port, request.replace("HTTP/1.1", "HTTP/1.0"))).partition(b"\r\n\r\n")[2]
            if series in body:
                return body
            await trio.sleep(0.1)


async def _promtool_is_content(plain: bytes) -> None:
    assert b"probe_success" in plain
    promtool = path_of("promtool", "prometheus")
    for command, given in (
        (["check", "metrics"], plain),
        (["check", "config", str(PROMETHEUS / "prometheus.yml")], b""),
    ):
        checked = await trio.run_process(
            [promtool, *command], stdin=given, capture_stdout=True, capture_stderr=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, b""), checked.stdout
