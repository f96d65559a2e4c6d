"""Channels and their options: the values that files become."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from watcher.config import Configuration, load_configuration
from watcher.config.alerts.read_channels import read_channel
from watcher.config.mistakes import ConfigurationError
from watcher.model.alerts.channel import (
    AlertmanagerReceiver,
    AppriseReceiver,
    Channel,
    ExecReceiver,
    Route,
    Topic,
    WebhookReceiver,
)
from watcher.model.alerts.of_target import NOTHING_SAID, Dependency, TargetAlerts
from watcher.model.alerts.options import AlertingOptions, Connectivity, Heartbeat
from watcher.model.alerts.windows import CronWindow, Maintenance, OnceWindow, QuietHours, WeeklyWindow
from watcher.model.difference import difference

URLS = "urls: [{address: 'https://h.example/', name: Shop, group: shop}]\n"
OPS = "channels: [{name: ops, url: 'ntfys://h.example/ops'}]\n"
ALL = """\
channels:
  - name: ops
    url: "ntfys://ntfy.example/ops"
    default: false
    events: [down, degraded]
    group_wait: 30s
    group_interval: 0
    group_by: [target]
    reminder_interval: 1h
    quiet_hours: [{start: "22:00", end: "7:00", timezone: Europe/Berlin, weekdays: [fri, sat]}]
    timeout: 5s
    allow_private: false
    give_up_after: 1d
    title: "{{ title }}"
    body: "{{ text }}"
  - {name: hook, webhook: {url_file: secrets/url, secret_file: secrets/secret, headers: {X-Team: web}}}
  - {name: page, exec: [bin/page, --urgent]}
  - {name: log, exec: [logger]}
  - {name: am, alertmanager: {url: "http://am.example:9093"}}
connectivity: {targets: ["https://one.one.one.one/", "https://dns.google/"], interval: 60s}
heartbeat: {url_file: secrets/url}
maintenance:
  - {start: "2026-12-01T22:00", duration: 2h, timezone: Europe/Berlin, why: move}
  - {start: "2026-12-01 22:00Z", duration: 1h, targets: [Shop]}
  - {weekdays: [sat], start: "02:00", duration: 90m, timezone: Europe/Berlin, group: shop}
  - {cron: "0 3 1 * *", duration: 1h}
urls:
  - name: Shop
    group: shop
    address: https://shop.example/
    alerts: [ops, {channel: page, after: 15m}]
    depends_on: [Router, {group: core}, {target: Router}]
    maintenance: [{start: "02:00", duration: 1h}]
    description: "Runbook: https://wiki.example/shop"
    labels: {team: web}
  - {name: Router, address: "https://router.example/", group: core, alerts: []}
  - {name: Other, address: "https://other.example/"}
"""


def loaded(folder: Path, **files: str) -> Configuration:
    """Write config files into their own folder, and read them."""
    inner = folder / "conf"
    inner.mkdir(exist_ok=True)
    for name, text in files.items():
        (inner / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_configuration(folder / ".env", {"CONFIG_FILE_PATH": str(inner)})


def no_complaint(path: tuple[str | int, ...], text: str, *, key: bool = False) -> NoReturn:
    """Fail: nothing is wrong."""
    raise AssertionError(path, text, key)


def test_every_key_has_its_value(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    (folder / "secrets").mkdir(parents=True)
    for name, text in {"url": "https://hooks.example/x\n", "secret": "whsec_5eb63bbbe01eeed0"}.items():
        (folder / "secrets" / name).write_text(text, encoding="utf-8")
        (folder / "secrets" / name).chmod(0o600)
    configuration = loaded(tmp_path, a=ALL)
    berlin_evening = datetime(2026, 12, 1, 21, tzinfo=UTC)
    assert configuration.alerting == AlertingOptions(
        (
            Channel(
                "ops",
                AppriseReceiver("ntfys://ntfy.example/ops"),
                is_default=False,
                topics=frozenset({Topic.DOWN, Topic.DEGRADED}),
                group_wait_seconds=30.0,
                group_interval_seconds=0.0,
                group_by="target",
                reminder_interval_seconds=3600.0,
                quiet_hours=(QuietHours(time(22), time(7), "Europe/Berlin", frozenset({4, 5})),),
                timeout_seconds=5.0,
                allow_private=False,
                give_up_after_seconds=86400.0,
                title="{{ title }}",
                body="{{ text }}",
            ),
            Channel("hook", WebhookReceiver("https://hooks.example/x", "whsec_5eb63bbbe01eeed0", (("X-Team", "web"),))),
            Channel("page", ExecReceiver((str(folder / "bin/page"), "--urgent"))),
            Channel("log", ExecReceiver(("logger",))),
            Channel("am", AlertmanagerReceiver("http://am.example:9093")),
        ),
        Connectivity(("https://one.one.one.one/", "https://dns.google/"), 60.0),
        Heartbeat("https://hooks.example/x", 60.0),
        (
            Maintenance(OnceWindow(berlin_evening, 7200.0), "move"),
            Maintenance(OnceWindow(berlin_evening + timedelta(hours=1), 3600.0), None, None, frozenset({"Shop"})),
            Maintenance(WeeklyWindow(frozenset({5}), time(2), 5400.0, "Europe/Berlin"), None, "shop"),
            Maintenance(CronWindow("0 3 1 * *", 3600.0, "UTC")),
        ),
    )
    shop, router, other = configuration.targets
    assert shop.alerts == TargetAlerts(
        (Route("ops"), Route("page", 900.0)),
        (Dependency("Router"), Dependency(group="core"), Dependency("Router")),
        (Maintenance(WeeklyWindow(frozenset(range(7)), time(2), 3600.0, "UTC")),),
        "Runbook: https://wiki.example/shop",
        (("team", "web"),),
    )
    assert router.alerts == TargetAlerts(routes=())
    assert other.alerts is NOTHING_SAID
    assert configuration.warnings == ()
    assert {folder / "secrets/url", folder / "secrets/secret"} <= set(configuration.files)  # a change needs a reload
    assert "x" not in repr(configuration.alerting.channels[1].receiver)


@pytest.mark.parametrize(
    ("written", "program"),
    [("./page", str(Path.cwd() / "conf/page")), ("/bin/page", "/bin/page"), ("page", "page")],
)
def test_a_path_of_a_program_is_relative_to_the_file_and_a_name_is_searched(written: str, program: str) -> None:
    channel = read_channel({"name": "a", "exec": [written]}, no_complaint, Path("conf"))
    assert channel.receiver == ExecReceiver((program,))
    beside = read_channel({"name": "a", "exec": ["./page"]}, no_complaint, Path()).receiver
    assert beside == ExecReceiver((str(Path.cwd() / "page"),))


def test_the_files_of_a_folder_add_up(tmp_path: Path) -> None:
    files = {
        "a": URLS + OPS,
        "b": "channels: [{name: other, exec: [x]}]\nmaintenance: [{start: '1:00', duration: 1m}]\n",
        "c": "heartbeat: {url: 'https://h.example/'}\nmaintenance: [{start: '2:00', duration: 1m}]\n",
    }
    alerting = loaded(tmp_path, **files).alerting
    assert [channel.name for channel in alerting.channels] == ["ops", "other"]
    assert (len(alerting.maintenance), alerting.heartbeat) == (2, Heartbeat("https://h.example/"))
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, d="heartbeat: {url: 'https://i.example/'}\n" + OPS)
    assert [str(mistake).replace(f"{tmp_path}/conf/", "") for mistake in caught.value.mistakes] == [
        "d.yaml:1:1: heartbeat: is written in c.yaml:1:1 too, and holds for all files of the folder; keep one of them",
        "d.yaml:2:19: channels[0].name: 'ops' is the name of the channel at a.yaml:2:19 too; rename one",
    ]


def test_a_mistake_in_a_channel_makes_no_other_of_those_who_use_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, a="urls: [{address: 'https://h/', alerts: [ops]}]\nchannels: [{name: ops, exec: 5}]\n")
    assert [mistake.where for mistake in caught.value.mistakes] == ["channels[0].exec"]


def test_a_dependency_of_everything_does_not_depend_on_itself(tmp_path: Path) -> None:
    configuration = loaded(
        tmp_path,
        a="defaults: {depends_on: [Router, {group: core}], labels: {a: b}}\nurls:\n"
        "  - {name: Router, address: 'https://r.example/', depends_on: [Modem]}\n"
        "  - {name: Modem, address: 'https://m.example/'}\n"
        "  - {name: Switch, address: 'https://s.example/', group: core, depends_on: [{group: power}]}\n"
        "  - {name: Power, address: 'https://p.example/', group: power}\n"
        "  - {name: Free, address: 'https://f.example/', depends_on: []}\n"
        "  - {name: Shop, address: 'https://x.example/'}\n"
        "  - {name: Shops, address: 'https://y.example/'}\n",
    )
    named = {target.name: target.alerts for target in configuration.targets}
    assert {name: [one.target or one.group for one in alerts.depends_on] for name, alerts in named.items()} == {
        "Router": ["Modem"],
        "Modem": [],
        "Switch": ["power"],
        "Power": [],
        "Free": [],
        "Shop": ["Router", "core"],
        "Shops": ["Router", "core"],
    }
    assert {alerts.labels for alerts in named.values()} == {(("a", "b"),)}
    assert named["Shop"] is named["Shops"]  # each of a hundred thousand would take its memory
    assert named["Modem"] is named["Power"]


def test_a_long_chain_is_not_a_cycle_and_is_fast(tmp_path: Path) -> None:
    chain = "".join(
        f"  - {{name: n{i}, address: 'https://h{i}.example/', depends_on: [n{i + 1}]}}\n" for i in range(2000)
    )
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, a=f"urls:\n{chain}")
    assert [mistake.where for mistake in caught.value.mistakes] == ["urls[1999].depends_on[0].target"]
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, a=f"urls:\n{chain}  - {{name: n2000, address: 'https://h/', depends_on: [n0]}}\n")
    [mistake] = caught.value.mistakes
    assert mistake.text.startswith("forms a circle: 'n0' -> 'n1' -> ")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (OPS + URLS.replace("}]", ", alerts: []}]"), "channels[0].name"),
        ("channels: [{name: ops, exec: [x], default: false}]\n" + URLS, "channels[0].name"),
        (URLS + "maintenance: [{start: '2026-01-01T00:00', duration: 1h}]\n", "maintenance[0].start"),
        (
            URLS.replace(
                "}]", ", maintenance: [{start: '1:00', duration: 1h}, {start: 2026-01-01 01:00, duration: 9}]}]"
            ),
            "urls[0].maintenance[1].start",
        ),
        (
            "defaults: {maintenance: [{start: '2026-01-01T00:00', duration: 1h}]}\n"
            "urls: [{address: 'https://h/'}, {address: 'https://i/'}]\n",
            "defaults.maintenance[0].start",
        ),
        (URLS + "channels: [{name: a, webhook: {url: 'https://h/', secret: x}}]\n", "channels[0].webhook.secret"),
        (
            URLS + "channels: [{name: a, webhook: {url: 'https://h/', headers: {X-Api-Key: x}}}]\n",
            "channels[0].webhook.headers.X-Api-Key",
        ),
        (URLS + "channels: [{name: a, alertmanager: {url: 'http://h/'}, group_by: []}]\n", "channels[0].group_by"),
        (URLS + "channels: [{name: a, url: 'mailtos://u:p@h.example'}]\n", "channels[0].url"),
    ],
)
def test_surprising_options_are_reported(tmp_path: Path, text: str, where: str) -> None:
    assert [warning.where for warning in loaded(tmp_path, a=text).warnings] == [where]


def test_a_reload_sees_changes(tmp_path: Path) -> None:
    before = loaded(tmp_path, a=OPS + URLS)
    same = loaded(tmp_path, a=OPS + URLS)
    assert (same.alerting, difference(before.targets, same.targets).is_empty) == (before.alerting, True)
    after = loaded(tmp_path, a=OPS.replace("ops'", "others'") + URLS.replace("}]", ", alerts: [ops]}]"))
    assert after.alerting != before.alerting
    assert [target.name for target in difference(before.targets, after.targets).changed] == ["Shop"]


def test_who_delivers_may_find_more(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ntfys://h.example/ops", encoding="utf-8")
    config = tmp_path / "c.yaml"
    config.write_text(
        URLS + "channels:\n  - {name: bad, exec: 5}\n  - {name: a, url_file: url}\n"
        "  - name: b\n    url: '${TOKEN}://h.example/'\n    body: |\n      {{ x\n"
    )

    def inspect(channels: Sequence[Channel]) -> list[tuple[int, str, str]]:
        assert [channel.name for channel in channels] == ["a", "b"]
        return [(0, "url", "is not known"), (1, "body", "line 1: is not closed"), (1, "url", "'tok3n' is not known")]

    variables = {"CONFIG_FILE_PATH": str(config), "TOKEN": "tok3n"}
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(tmp_path / ".env", variables, inspect=inspect)
    assert [str(mistake).replace(f"{tmp_path}/", "") for mistake in caught.value.mistakes] == [
        "c.yaml:3:23: channels[0].exec: this is not a list; write it as in `exec: [/usr/local/bin/page, --urgent]`",
        "c.yaml:4:25: channels[1].url_file: is not known",
        "c.yaml:6:10: channels[2].url: '${TOKEN}' is not known",
        "c.yaml:7:11: channels[2].body: line 1: is not closed",
    ]
