"""Converts channels and alert options to plain values under the keys of the config file, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

from watcher.config.alert_warnings import NOT_FOR_ALERTMANAGER
from watcher.config.schema.window_keys import Weekday
from watcher.model.alerts.channel import AlertmanagerReceiver, AppriseReceiver, ExecReceiver, Topic
from watcher.model.alerts.windows import EVERY_DAY, CronWindow, OnceWindow
from watcher.model.headers import OPEN_HEADERS
from watcher.text.redaction import MASK, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.model.alerts.channel import Channel, Receiver, Route
    from watcher.model.alerts.of_target import Dependency, TargetAlerts
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.alerts.windows import Maintenance, QuietHours

_DAYS: tuple[str, ...] = get_args(Weekday)


def alerting_values(alerting: AlertingOptions) -> dict[str, Any]:
    """Return the top-level keys of alerts; keys without a value are left out."""
    connectivity, heartbeat = alerting.connectivity, alerting.heartbeat
    values = {
        "channels": [_channel(channel) for channel in alerting.channels],
        "connectivity": connectivity
        and {
            "targets": list(map(without_secrets, connectivity.targets)),
            "interval": connectivity.interval_seconds,
        },
        "heartbeat": heartbeat and {"url": _http_url(heartbeat.url), "interval": heartbeat.interval_seconds},
        "maintenance": list(map(_maintenance, alerting.maintenance)),
    }
    return {key: value for key, value in values.items() if value}


def target_alert_values(alerts: TargetAlerts, channels: Iterable[Channel]) -> dict[str, Any]:
    """Return the alert keys of an entry; None for keys without a value.

    Args:
        alerts: the alert options of the entry.
        channels: the channels of the file; an entry that names none gets the default ones.
    """
    by_default = [channel.name for channel in channels if channel.is_default] or None
    return {
        "alerts": by_default if alerts.routes is None else list(map(_route, alerts.routes)),
        "depends_on": list(map(_dependency, alerts.depends_on)) or None,
        "maintenance": list(map(_maintenance, alerts.maintenance)) or None,
        "description": alerts.description,
        "labels": dict(alerts.labels) or None,
    }


def _channel(channel: Channel) -> dict[str, Any]:
    left_out = NOT_FOR_ALERTMANAGER if isinstance(channel.receiver, AlertmanagerReceiver) else ()
    return {key: value for key, value in _all_of_channel(channel).items() if key not in left_out}


def _all_of_channel(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        **_receiver(channel.receiver),
        "default": channel.is_default,
        "events": [topic.value for topic in Topic if topic in channel.topics],
        "group_wait": channel.group_wait_seconds,
        "group_interval": channel.group_interval_seconds,
        "group_by": [] if channel.group_by == "channel" else [channel.group_by],
        "reminder_interval": channel.reminder_interval_seconds,
        "quiet_hours": list(map(_quiet_hours, channel.quiet_hours)) or None,
        "timeout": channel.timeout_seconds,
        "allow_private": channel.allow_private,
        "give_up_after": channel.give_up_after_seconds,
        "title": channel.title,
        "body": channel.body and MASK,
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    if isinstance(receiver, AppriseReceiver):
        return {"url": f"{receiver.url.partition('://')[0]}://{MASK}"}
    if isinstance(receiver, ExecReceiver):
        return {"exec": [receiver.command[0], *[MASK for _ in receiver.command[1:]]]}
    if isinstance(receiver, AlertmanagerReceiver):
        return {"alertmanager": {"url": without_secrets(receiver.url)}}
    webhook: dict[str, Any] = {"url": _http_url(receiver.url)}
    if receiver.secret is not None:
        webhook["secret"] = MASK
    if receiver.headers:
        webhook["headers"] = {name: value if name.lower() in OPEN_HEADERS else MASK for name, value in receiver.headers}
    return {"webhook": webhook}


def _http_url(url: str) -> str:
    """Return the scheme and host of a URL; the rest is masked, since it may be a token."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{MASK if parts.path.strip('/') or parts.query else ''}"


def _route(route: Route) -> Any:
    return route.channel if not route.after_seconds else {"channel": route.channel, "after": route.after_seconds}


def _dependency(dependency: Dependency) -> Any:
    return dependency.target if dependency.target is not None else {"group": dependency.group}


def _quiet_hours(hours: QuietHours) -> dict[str, Any]:
    times = {"start": f"{hours.start:%H:%M}", "end": f"{hours.end:%H:%M}", "timezone": hours.timezone}
    return {**times, **_weekdays(hours.weekdays)}


def _maintenance(maintenance: Maintenance) -> dict[str, Any]:
    window = maintenance.window
    times: dict[str, Any]
    if isinstance(window, OnceWindow):
        times = {"start": window.start.isoformat()}
    elif isinstance(window, CronWindow):
        times = {"cron": window.cron, "timezone": window.timezone}
    else:
        times = {**_weekdays(window.weekdays), "start": f"{window.start:%H:%M}", "timezone": window.timezone}
    times["duration"] = window.duration_seconds
    scope = {"why": maintenance.why, "group": maintenance.group, "targets": sorted(maintenance.targets or ())}
    return {**times, **{key: value for key, value in scope.items() if value}}


def _weekdays(weekdays: Iterable[int]) -> dict[str, Any]:
    return {} if weekdays == EVERY_DAY else {"weekdays": [_DAYS[day] for day in sorted(weekdays)]}
