"""Warnings: valid configuration that may not do what its author expects. Of files, only the mode is read."""

from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from watcher.config.alert_warnings import channels_of_nobody, keys_of_no_effect, windows_that_are_over
from watcher.config.mistakes import Mistake, did_you_mean, dotted, shown
from watcher.config.place_warnings import places_of_no_effect
from watcher.config.schema.secret_keys import is_secret_header, is_secret_parameter
from watcher.config.secret_files import is_secret_variable
from watcher.config.sources import Source
from watcher.model.load import complaint_about_workers
from watcher.model.target import watched_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path as FilePath

    from watcher.config.env.settings import Settings
    from watcher.config.secret_files import NamedFile
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.target import Target

# Further warnings of the same kind are only counted: finding each place is slow, and 100,000 lines do not help.
MAX_TOLD = 20

_PLAIN_HTTP = "http://"
_SHOWN_KEYS = ("name", "group", "title", "intro", "description")
_HOLDERS = (("basic_auth", "password"), ("authorization", "credentials"))

_Path = tuple["str | int", ...]
# The config file, or the file that `.env` names; the path in the config file; the text.
_Finding = tuple["Source | NamedFile", _Path, str]


def find_warnings(
    settings: Settings,
    sources: Sequence[Source],
    targets: Sequence[Target],
    alerting: AlertingOptions,
    environment_files: Sequence[NamedFile] = (),
) -> tuple[Mistake, ...]:
    """Return the warnings about a valid configuration.

    Args:
        settings: the valid settings.
        sources: the files that the targets were read from.
        targets: all of them.
        alerting: the channels and the other options for all targets.
        environment_files: the secret files that `.env` and the environment name.

    Returns:
        the warnings, without secrets; at most MAX_TOLD of a kind, and a count of the rest.
    """
    return (
        *_about_workers(settings, targets),
        *_placed(
            [
                *_told(_plain_secrets(sources)),
                *_told(_secrets_in_names(sources, environment_files)),
                *_told(_in_the_clear(sources, targets)),
                *_told(_readable_files(sources, environment_files)),
                *_told(_groups_of_nobody(sources, targets)),
                *_told(places_of_no_effect(settings, sources, targets)),
                *_told(channels_of_nobody(sources, targets, alerting)),
                *_told(keys_of_no_effect(sources)),
                *_told(windows_that_are_over(sources, targets, alerting, datetime.now(UTC))),
            ]
        ),
    )


def _about_workers(settings: Settings, targets: Sequence[Target]) -> Iterator[Mistake]:
    complaint = complaint_about_workers(watched_at(targets, settings.location), settings.max_workers)
    if complaint is not None:
        yield Mistake(settings.max_workers_place, "MAX_WORKERS", complaint)


def _told(findings: Iterator[_Finding]) -> Iterator[_Finding]:
    yield from islice(findings, MAX_TOLD)
    first = next(findings, None)
    if first is not None:
        home, path, text = first
        more = sum(1 for _ in findings)
        yield home, path, f"{text} (and {more} more like this)" if more else text


def _placed(findings: Sequence[_Finding]) -> Iterator[Mistake]:
    for home, path, text in findings:
        if isinstance(home, Source):
            yield Mistake(home.place_of(path), dotted(path), text)
        else:
            yield Mistake(home.place, home.where, text)


def _plain_secrets(sources: Sequence[Source]) -> Iterator[_Finding]:
    for source in sources:
        for index, channel in enumerate(source.channels):
            yield from _plain_secrets_of_channel(source, ("channels", index), channel)
        yield from _plain_secrets_in(source, ("defaults",), source.defaults)
        for index, entry in enumerate(source.entries):
            yield from _plain_secrets_in(source, ("urls", index), entry)


def _secrets_in_names(sources: Sequence[Source], environment_files: Sequence[NamedFile]) -> Iterator[_Finding]:
    for source in sources:
        places = [
            (("page",), source.page),
            *((("channels", i), {"name": channel["name"]}) for i, channel in enumerate(source.channels)),
            (("defaults",), source.defaults),
            *((("urls", i), entry) for i, entry in enumerate(source.entries)),
        ]
        for base, options in places:
            for key in _SHOWN_KEYS:
                names = source.variables_in((*base, key)) if key in options else ()
                for name in sorted(name for name in names if is_secret_variable(name, environment_files)):
                    text = f"contains the secret ${{{name}}} and is shown everywhere; write it without the secret"
                    yield source, (*base, key), text


def _plain_secrets_in(source: Source, base: _Path, options: dict[str, Any]) -> Iterator[_Finding]:
    for path, text in _literals(options):
        if not source.is_substituted((*base, *path)):
            yield source, (*base, *path), text


def _plain_secrets_of_channel(source: Source, base: _Path, channel: dict[str, Any]) -> Iterator[_Finding]:
    yield from _plain_secrets_in(source, base, {"url": channel.get("url") or ""})
    if "webhook" in channel:
        yield from _plain_secrets_in(source, (*base, "webhook"), channel["webhook"])


def _literals(options: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for holder, key in _HOLDERS:
        if holder in options and options[holder].get(key):
            text = f"is a secret in plain text; name a file of it in {key}_file, or write ${{VARIABLE}}"
            yield (holder, key), text
    address = options.get("address", "")
    if ("@" in address or "?" in address) and (kind := _secret_in(address)) is not None:
        yield ("address",), f"has {kind} in plain text; write ${{VARIABLE}} in its place"
    if "headers" in options:
        for name, value in options["headers"].items():
            if value and is_secret_header(name):
                yield ("headers", name), "is a secret in plain text; write ${VARIABLE} in its place"
    if options.get("secret"):
        yield ("secret",), "is a secret in plain text; name a file of it in secret_file, or write ${VARIABLE}"
    if (url := options.get("url")) and (kind := _secret_in(url)) is not None:
        yield ("url",), f"has {kind} in plain text; name a file of the URL in url_file, or write ${{VARIABLE}}"
    if "proxy_url" in options and _secret_in(options["proxy_url"]) is not None:
        yield ("proxy_url",), "has a password in plain text; write ${VARIABLE} in its place"


def _secret_in(address: str) -> str | None:
    parts = urlsplit(address)
    if parts.password or (parts.username and not parts.query):
        return "a password" if parts.password else "a user"
    if any(value and is_secret_parameter(name) for name, value in parse_qsl(parts.query)):
        return "a token"
    return "a user" if parts.username else None


def _in_the_clear(sources: Sequence[Source], targets: Sequence[Target]) -> Iterator[_Finding]:
    for source in sources:
        ends = source.first_index + len(source.entries)
        for index, target in enumerate(targets[source.first_index : ends]):
            if target.address[: len(_PLAIN_HTTP)].lower() == _PLAIN_HTTP and _sends_credentials(target):
                text = "sends credentials over plain http, where everyone on the way can read them; write https://"
                yield source, ("urls", index, "address"), text


def _sends_credentials(target: Target) -> bool:
    sending, parts = target.sending, urlsplit(target.address)
    has_some = (
        sending.authorization is not None
        or "@" in parts.netloc
        or any(name.lower() == "authorization" for name, _ in sending.headers)
    )
    return has_some and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _readable_files(sources: Sequence[Source], environment_files: Iterable[NamedFile]) -> Iterator[_Finding]:
    files: dict[FilePath, tuple[Source | NamedFile, NamedFile]] = {
        file.path: (file, file) for file in environment_files if file.is_secret
    }
    for source in sources:
        for file in source.named_files():
            if file.is_secret:
                files.setdefault(file.path, (source, file))
    for home, file in files.values():
        if _is_world_readable(file):
            name = shown(str(file.path))
            text = f"the secret in {name} can be read by every user of this machine; restrict it, as with chmod o-r"
            yield home, file.steps or (), text


def _groups_of_nobody(sources: Sequence[Source], targets: Sequence[Target]) -> Iterator[_Finding]:
    groups = {target.group for target in targets if target.group is not None}
    for source in sources:
        for index, group in enumerate(source.page.get("public_groups") or ()):
            if group not in groups:
                text = f"no target is in the group {shown(group)}{did_you_mean(group, groups)}"
                yield source, ("page", "public_groups", index), text


def _is_world_readable(file: NamedFile) -> bool:
    try:
        return bool(file.path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):  # it was removed meanwhile
        return False
