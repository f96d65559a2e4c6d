"""Reads the items of `channels`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from watcher.config.alerts.common import complaint_about_name, is_name, seconds_of, without_empty
from watcher.config.alerts.read_windows import read_quiet_hours
from watcher.config.schema.channel_keys import RECEIVER_KEYS
from watcher.config.schema.limits import MAX_DELIVERY_TIMEOUT_SECONDS, MAX_TEMPLATE_CHARS
from watcher.config.secret_files import written_secret
from watcher.config.targets.address import complaint_about
from watcher.config.targets.headers import read_headers
from watcher.model.alerts.channel import (
    DEFAULT_DELIVERY_TIMEOUT_SECONDS,
    DEFAULT_GIVE_UP_AFTER_SECONDS,
    DEFAULT_GROUP_INTERVAL_SECONDS,
    DEFAULT_GROUP_WAIT_SECONDS,
    DEFAULT_REMINDER_INTERVAL_SECONDS,
    DEFAULT_TOPICS,
    AlertmanagerReceiver,
    AppriseReceiver,
    Channel,
    ExecReceiver,
    Receiver,
    Topic,
    WebhookReceiver,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from watcher.config.mistakes import Complain
    from watcher.config.schema.channel_keys import ChannelKeys

_SCHEME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*://\S")
_KINDS = ("url", "webhook", "exec", "alertmanager")


def read_channel(written: ChannelKeys, complain: Complain, folder: Path) -> Channel:
    """Read an item of `channels`.

    Args:
        written: the item.
        complain: records a mistake, by its path below the item.
        folder: the base of relative paths.
    """
    values = without_empty(written, (), complain, {"group_by"})
    name = values.get("name", "")
    if name and not is_name(name):
        complain(("name",), complaint_about_name(name))
    group_by = values.get("group_by") or ["channel"]
    if len(group_by) > 1:
        complain(("group_by",), "has more than one word; write [], [group] or [target]")
    hours = enumerate(values.get("quiet_hours", ()))
    return Channel(
        name,
        _receiver(written, values, complain, folder),
        is_default=values.get("default") is not False,
        topics=frozenset(map(Topic, values["events"])) if "events" in values else DEFAULT_TOPICS,
        group_wait_seconds=seconds_of(values, ("group_wait",), complain, default=DEFAULT_GROUP_WAIT_SECONDS, least=0),
        group_interval_seconds=seconds_of(
            values, ("group_interval",), complain, default=DEFAULT_GROUP_INTERVAL_SECONDS, least=0
        ),
        group_by=group_by[0],
        reminder_interval_seconds=seconds_of(
            values, ("reminder_interval",), complain, default=DEFAULT_REMINDER_INTERVAL_SECONDS, least=0
        ),
        quiet_hours=tuple(read_quiet_hours(one, ("quiet_hours", index), complain) for index, one in hours),
        timeout_seconds=seconds_of(
            values,
            ("timeout",),
            complain,
            default=DEFAULT_DELIVERY_TIMEOUT_SECONDS,
            most=MAX_DELIVERY_TIMEOUT_SECONDS,
        ),
        allow_private=values.get("allow_private") is not False,
        give_up_after_seconds=seconds_of(values, ("give_up_after",), complain, default=DEFAULT_GIVE_UP_AFTER_SECONDS),
        title=_template("title", values, complain),
        body=_template("body", values, complain),
    )


def read_url(values: Mapping[str, Any], path: tuple[str | int, ...], complain: Complain, folder: Path) -> str:
    """Read a secret http or https URL from `url` or `url_file`.

    Args:
        values: the mapping that has one of the two keys.
        path: of the mapping.
        complain: records a mistake.
        folder: the base of relative paths.
    """
    url = written_secret((*path, "url"), values, complain, folder)
    complaint = complaint_about(url) if url else None
    if complaint is not None:
        # A complaint that names the host would quote part of a secret.
        text = "has an invalid host; write it as in https://example.com/" if "'" in complaint else complaint
        complain((*path, "url" if "url" in values else "url_file"), text)
    return url


def _receiver(written: ChannelKeys, values: dict[str, Any], complain: Complain, folder: Path) -> Receiver:
    there = [key for key in RECEIVER_KEYS if key in values]
    kind = there[0] if there else None
    for key in there[1:]:
        if (kind, key) != ("url", "url_file"):
            complain((key,), f"is written besides {kind}; a channel has one of {', '.join(_KINDS)}")
    if kind == "webhook":
        return _webhook(values["webhook"], complain, folder)
    if kind == "exec":
        return _program(values["exec"], complain, folder)
    if kind == "alertmanager":
        inner = without_empty(values["alertmanager"], ("alertmanager",), complain)
        return AlertmanagerReceiver(read_url(inner, ("alertmanager",), complain, folder))
    if kind is None and not written.keys() & set(RECEIVER_KEYS):
        complain((), f"has nowhere to send to; write one of {', '.join(_KINDS)}")
    if kind is None:
        return AppriseReceiver("")
    url = written_secret(("url",), values, complain, folder)
    if url and not _SCHEME.match(url):
        complain((kind,), "is not an Apprise URL; write one, as in ntfys://ntfy.example/ops")
    return AppriseReceiver(url)


def _webhook(written: dict[str, Any], complain: Complain, folder: Path) -> WebhookReceiver:
    values = without_empty(written, ("webhook",), complain)
    url = read_url(values, ("webhook",), complain, folder)
    secret = None
    if "secret" in values or "secret_file" in values:
        secret = written_secret(("webhook", "secret"), values, complain, folder) or None
    headers = read_headers(values.get("headers", {}), ("webhook", "headers"), complain)
    return WebhookReceiver(url, secret, headers)


def _program(command: list[str], complain: Complain, folder: Path) -> ExecReceiver:
    program, *arguments = command
    if not program.strip():
        complain(("exec", 0), "is empty; write the path of a program")
    for index, text in enumerate(command):
        if "\0" in text:
            complain(("exec", index), "has the character U+0000; remove it")
    # A bare name is looked up in PATH. `Path` would shorten `./page` to `page`, so a path is made absolute.
    return ExecReceiver((str((folder / program).absolute()) if "/" in program else program, *arguments))


def _template(key: str, values: Mapping[str, Any], complain: Complain) -> str | None:
    text: str | None = values.get(key)
    if text is not None and len(text) > MAX_TEMPLATE_CHARS:
        complain((key,), f"has {len(text)} characters; {MAX_TEMPLATE_CHARS} is the limit")
    return text
