"""Reads `.env` and the environment into `Settings`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.config.env.environment import Environment
from watcher.config.env.settings_table import DEFAULTS, KEY_OF_FIELD, RESTART_KEYS, SETTINGS
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place
from watcher.config.secret_files import complaint_about_tls_files
from watcher.config.yaml.config_files import variables_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.config.env.http_values import HttpAddress, Network
    from watcher.config.env.settings_table import Setting

__all__ = [
    "DEFAULTS",
    "KEY_OF_FIELD",
    "RESTART_KEYS",
    "SETTINGS",
    "Settings",
    "load_settings",
    "log_format_of",
    "read_settings",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of `.env` and the environment.

    Attributes:
        config_file, config_file_place: the path of `config.yaml`, and the place where it is set.
        postgres_host: one or more hosts, separated by commas; None for the embedded database.
        postgres_ports: one for all hosts, or one for each.
        postgres_target_session_attrs: the required kind of server; None for the default by the number of hosts.
        postgres_sslrootcert, postgres_sslcert, postgres_sslkey: paths of PEM files; None for libpq's defaults.
        max_workers: checks in flight at once.
        min_interval_seconds, max_interval_seconds: bounds of every interval.
        data_dir: the folder of the embedded database, the outbox and other kept files.
        log_file: the success log.
        log_format: `text` or `json`, for the success log and stderr.
        location: the name of this replica's location.
        replica: the name of this daemon within its location; None for a generated name.
        keep_failures_seconds: how long a failure stays in the database.
        outbox_max_bytes, outbox_max_age_seconds: the limits of the outbox while the database is away.
        outbox_keep_stored_seconds: how long the outbox keeps entries that the database has stored.
        reload_on_change: whether the daemon reloads when a file changes.
        http: where the page is served; None for nowhere.
        http_url: the public address of the page, without a final slash, or None.
        http_user, http_password, http_token: the credentials for full access; None if not set.
        http_public: whether readers without credentials see the public part.
        http_hosts: further host names that requests may use.
        http_trusted_proxies: the networks of proxies whose `X-Forwarded-*` headers are used.
        metrics_targets: whether `/metrics` has series for each target.
        max_workers_place: the place of `max_workers`, or `.env` if it is not set.
    """

    config_file: Path
    config_file_place: Place
    postgres_user: str
    postgres_password: str = field(repr=False)
    postgres_db: str
    postgres_host: str | None
    postgres_ports: tuple[int, ...]
    postgres_target_session_attrs: str | None
    postgres_sslmode: str
    postgres_sslrootcert: str | None
    postgres_sslcert: str | None
    postgres_sslkey: str | None
    max_workers: int
    min_interval_seconds: float
    max_interval_seconds: float
    data_dir: Path
    log_file: Path
    log_format: str
    location: str
    replica: str | None
    keep_failures_seconds: float
    outbox_max_bytes: int
    outbox_max_age_seconds: float
    outbox_keep_stored_seconds: float
    reload_on_change: bool
    http: HttpAddress | None
    http_url: str | None
    http_user: str | None
    http_password: str | None = field(repr=False)
    http_token: str | None = field(repr=False)
    http_public: bool
    http_hosts: tuple[str, ...]
    http_trusted_proxies: tuple[Network, ...]
    metrics_targets: bool
    max_workers_place: Place = field(default=Place(".env"), compare=False)


def read_settings(env_file: Path, variables: Mapping[str, str] | None = None) -> tuple[Settings | None, list[Mistake]]:
    """Read `.env` and the environment.

    Args:
        env_file: path of `.env`; it may be missing.
        variables: the environment, the process's own by default; it wins over the file.

    Returns:
        the settings, with defaults in place of wrong values, and the mistakes. The settings are None if no config file
        is named.
    """
    return settings_of(read_environment(env_file, variables))


def read_environment(env_file: Path, variables: Mapping[str, str] | None = None) -> Environment:
    """Read `.env` and the environment, as `read_settings`."""
    return Environment(env_file, os.environ if variables is None else variables, DEFAULTS)


def settings_of(environment: Environment) -> tuple[Settings | None, list[Mistake]]:
    """Parse the values of `.env` and the environment; see `read_settings`."""
    reader = _Reader(environment)
    values = {setting.field: reader.value(setting) for setting in SETTINGS}
    minimum, maximum = values["min_interval_seconds"], values["max_interval_seconds"]
    if minimum > maximum:
        reader.complain(
            "MIN_INTERVAL_VAL", f"{minimum:g} is above MAX_INTERVAL_VAL={maximum:g}; lower it, or raise that one"
        )
    reader.check_tls_files(values)
    reader.check_ports(values)
    if (values["http_user"] is None) != (values["http_password"] is None):
        lone, other = ("USER", "PASSWORD") if values["http_user"] else ("PASSWORD", "USER")
        reader.complain(f"WATCHER_HTTP_{lone}", f"has no effect without WATCHER_HTTP_{other}; set both, or neither")
    config_file = environment.get("CONFIG_FILE_PATH")
    if environment.has_unread:
        environment.refuse_unread(set() if config_file is None else variables_in(Path(config_file.value)))
    if config_file is None:
        reported = any(mistake.where.startswith("CONFIG_FILE_PATH") for mistake in reader.mistakes)
        if environment.is_readable and not reported:
            text = "is mandatory; set it to the path of the config file, as in CONFIG_FILE_PATH=config/config.yaml"
            missing = "" if environment.found else " (the file does not exist; `--env-file` names another)"
            reader.complain("CONFIG_FILE_PATH", text + missing)
        return None, by_place(reader.mistakes)
    workers = environment.get("MAX_WORKERS")
    workers_place = environment.place if workers is None else workers.place
    settings = Settings(config_file_place=config_file.place, max_workers_place=workers_place, **values)
    return settings, by_place(reader.mistakes)


def load_settings(env_file: Path, variables: Mapping[str, str] | None = None) -> Settings:
    """Read `.env` and the environment, as `read_settings`.

    Raises:
        ConfigurationError: with every mistake that was found.
    """
    settings, mistakes = read_settings(env_file, variables)
    if mistakes or settings is None:
        raise ConfigurationError(mistakes)
    return settings


def log_format_of(env_file: Path, variables: Mapping[str, str] | None = None) -> str:
    """Return the log format even if other settings have mistakes; the default if the format itself has one."""
    reader = _Reader(read_environment(env_file, variables))
    found: str = reader.value(next(setting for setting in SETTINGS if setting.field == "log_format"))
    return found


class _Reader:
    """Parses the settings one by one and collects mistakes."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.mistakes = environment.mistakes

    def value(self, setting: Setting) -> Any:
        entry = self._environment.get(setting.key)
        default = setting.default or ""
        if entry is None:
            return setting.parse(default)
        try:
            return setting.parse(entry.value)
        except ValueError as error:
            self.complain(setting.key, f"{'this' if setting.secret else entry.shown} {error}")
            return setting.parse(default)

    def check_tls_files(self, values: Mapping[str, Any]) -> None:
        """Complain about a TLS file for PostgreSQL that cannot be used."""
        cert_file, key_file = values["postgres_sslcert"], values["postgres_sslkey"]
        both = None not in {cert_file, key_file}  # with one alone, the other is at libpq's default, or in the same file
        complaint = complaint_about_tls_files(
            values["postgres_sslrootcert"], cert_file if both else None, key_file if both else None
        )
        if complaint is not None:
            keys = {"ca_file": "POSTGRES_SSLROOTCERT", "cert_file": "POSTGRES_SSLCERT", "key_file": "POSTGRES_SSLKEY"}
            self.complain(keys[complaint[0]], complaint[1])

    def check_ports(self, values: dict[str, Any]) -> None:
        """Complain unless there is one port for all hosts or one for each."""
        hosts, ports = (values["postgres_host"] or "").split(","), values["postgres_ports"]
        if len(ports) not in {1, len(hosts)}:
            count = f"{len(ports)} ports for {len(hosts)} host{'s' if len(hosts) > 1 else ''}"
            self.complain("POSTGRES_PORT", f"has {count} in POSTGRES_HOST; write one for all, or one for each")
            values["postgres_ports"] = ports[:1]

    def complain(self, key: str, text: str) -> None:
        entry = self._environment.get(key)
        place, where = (entry.place, entry.key) if entry else (self._environment.place, key)
        self.mistakes.append(Mistake(place, where, text))
