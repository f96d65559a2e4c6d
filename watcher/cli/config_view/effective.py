"""Shows the effective configuration: settings with their sources, and targets with their defaults, secrets masked."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.cli.config_view.effective_alerts import alerting_values, target_alert_values
from watcher.config.env.settings import read_environment
from watcher.config.env.settings_table import SETTINGS
from watcher.model.headers import OPEN_HEADERS
from watcher.secrets.masking import MIN_SECRET_CHARS, forms_of, masked
from watcher.text.redaction import MASK, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.page_options import PageOptions
    from watcher.model.target import Connecting, Expectations, HeaderPattern, Sending, Target, TlsOptions

FROM_NOWHERE = "default"

# `without_secrets` cuts an address at these characters. A shorter piece of it may be an ordinary word.
_MARK_OF_ADDRESS = re.compile(r"[?#&=@\s]")
_MIN_PIECE_CHARS = 8


def effective_settings(env_file: Path, variables: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the `value` of every key of `.env`, as a user would write it, and its source as `from`.

    Args:
        env_file: the path of `.env`.
        variables: the environment; by default that of the process.
    """
    environment = read_environment(env_file, variables)
    found: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        entry = environment.get(setting.key)
        value, place = (setting.default, FROM_NOWHERE) if entry is None else (entry.value, str(entry.place))
        is_secret = setting.secret or (entry is not None and entry.file is not None)
        shown = value if value is None else MASK if is_secret else _without_secrets_in(value)
        found[setting.key] = {"value": shown, "from": place if entry is None or entry.file is None else entry.key}
    return found


class TargetShower:
    """Converts targets to plain values under the keys of the config file, with secrets masked.

    A part that several targets share is converted once.
    """

    def __init__(self, secrets: Sequence[str] = (), channels: Sequence[Channel] = ()) -> None:
        """Start without converted parts.

        Args:
            secrets: masked wherever they occur; those that are too short for that only as a whole value.
            channels: all channels of the configuration.
        """
        self._channels = channels
        self._secrets = forms_of(part for secret in secrets for part in _shown_of(secret))
        self._short = frozenset(secret for secret in secrets if len(secret) < MIN_SECRET_CHARS)
        self._parts: dict[int, tuple[object, dict[str, Any]]] = {}

    def page(self, page: PageOptions) -> dict[str, Any]:
        """Return the options of the status page; the path of its logo is absolute, so that the text can be moved."""
        options = {
            "title": page.title and self.masked(page.title),
            "intro": "\n".join(map(self.masked, (page.intro or "").splitlines())),
            "logo_file": page.logo and str(Path(page.logo.path).absolute()),
            "public_groups": sorted(map(self.masked, page.public_groups or ())),
        }
        return {key: value for key, value in options.items() if value}

    def alerting(self, alerting: AlertingOptions) -> dict[str, Any]:
        """Return channels, maintenance, connectivity and heartbeat."""
        options: dict[str, Any] = self.masked(alerting_values(alerting))
        return options

    def own(self, target: Target) -> dict[str, Any]:
        """Return the values that belong to one target."""
        own = {
            "name": target.name,
            "group": target.group,
            "address": target.shown_address,
            "enabled": target.enabled,
            "interval": target.interval_seconds,
            "timeout": target.timeout_seconds,
            "retries": target.retries,
            "retry_interval": target.retry_interval_seconds,
            "recheck_interval": target.recheck_interval_seconds,
            "failure_threshold": target.thresholds.failure,
            "success_threshold": target.thresholds.success,
            "locations": list(target.locations) or None,
            "quorum": target.quorum or None,
        }
        return {key: self.masked(value) for key, value in own.items()}

    def shared(self, target: Target) -> tuple[dict[str, Any], ...]:
        """Return the parts that targets may share; equal parts are one object."""
        return (
            self._part(target.sending, _sending),
            self._part(target.connecting, _connecting),
            self._part(target.expected, _expected),
            self._part(target.alerts, partial(target_alert_values, channels=self._channels)),
        )

    def all_of(self, target: Target) -> dict[str, Any]:
        """Return all values of a target."""
        whole = self.own(target)
        for part in self.shared(target):
            whole.update(part)
        return whole

    def _part(self, part: Any, convert: Any) -> dict[str, Any]:
        # The part is kept as well, since another object could get its id.
        known = self._parts.get(id(part))
        if known is None:
            known = self._parts[id(part)] = (part, {key: self.masked(value) for key, value in convert(part).items()})
        return known[1]

    def masked(self, value: Any) -> Any:
        """Mask the secrets in a plain value."""
        if not (self._secrets or self._short):
            return value
        if isinstance(value, str):
            return MASK if value in self._short else masked(value, self._secrets)
        if isinstance(value, dict):
            return {key: self.masked(inner) for key, inner in value.items()}
        return list(map(self.masked, value)) if isinstance(value, list) else value


def _shown_of(secret: str) -> Iterator[str]:
    """Yield a secret, also in capitals as in a method, and its pieces that an address may still show."""
    yield from (secret, secret.upper())
    parts = _MARK_OF_ADDRESS.split(secret)
    yield from (part for part in parts if len(part) >= _MIN_PIECE_CHARS)


def _sending(sending: Sending) -> dict[str, Any]:
    scheme = None if sending.authorization is None else sending.authorization.partition(" ")[0]
    headers = {name: value if name.lower() in OPEN_HEADERS else MASK for name, value in sending.headers}
    return {
        "method": sending.method,
        "headers": headers or None,
        "authorization": None if scheme is None else {"type": scheme, "credentials": MASK},
        "body": MASK if sending.body else None,
        "follow_redirects": sending.follow_redirects,
        "max_redirects": sending.max_redirects,
    }


def _without_secrets_in(value: str) -> str:
    return without_secrets(value) if "://" in value or "@" in value else value


def _connecting(connecting: Connecting) -> dict[str, Any]:
    proxy = connecting.proxy_url
    return {
        "tls_config": _tls(connecting.tls) or None,
        "preferred_ip_protocol": connecting.ip_protocol,
        "resolve_to": connecting.resolve_to,
        "proxy_url": None if proxy is None else without_secrets(proxy),
        "http_version": connecting.http_version,
        "keep_alive": connecting.keep_alive,
        "allow_private": connecting.allow_private,
    }


def _tls(options: TlsOptions) -> dict[str, Any]:
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "files_digest"}
    return {key: value for key, value in values.items() if value not in {None, False}}


def _expected(expected: Expectations) -> dict[str, Any]:
    return {
        "valid_status_codes": [str(low) if low == high else f"{low}-{high}" for low, high in expected.status_codes],
        "fail_if_body_not_matches_regexp": [_pattern(pattern) for pattern in expected.body_matches] or None,
        "fail_if_body_matches_regexp": [_pattern(pattern) for pattern in expected.body_lacks] or None,
        "fail_if_header_not_matches": [_header(pattern) for pattern in expected.headers_match] or None,
        "fail_if_header_matches": [_header(pattern) for pattern in expected.headers_lack] or None,
        "json": [{"path": one.path, "equals": one.equals} for one in expected.json] or None,
        "body_size_limit": expected.body_limit_bytes,
        "degraded_after": expected.degraded_after_seconds,
        "cert_expiry_days": expected.cert_expiry_days,
    }


def _header(pattern: HeaderPattern) -> dict[str, Any]:
    text = _pattern(pattern.pattern)
    return {"header": pattern.header, "regexp": text, "allow_missing": pattern.allow_missing}


def _pattern(pattern: Any) -> str:
    text = pattern.pattern
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
