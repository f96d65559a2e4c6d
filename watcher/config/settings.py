"""`.env` to `Settings`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from watcher.config import settings_values as values
from watcher.config.environment import Environment
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = TypeVar("Value")

# Each key with its default; None means unset. The page that explains them to users is docs/configuration.md.
DEFAULTS: dict[str, str | None] = {
    "CONFIG_FILE_PATH": None,
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": "postgres",
    "POSTGRES_DB": "monitordb",
    "POSTGRES_HOST": None,
    "POSTGRES_PORT": "5432",
    "POSTGRES_SSLMODE": "prefer",
    "MAX_WORKERS": "10",
    "MIN_INTERVAL_VAL": "2",
    "MAX_INTERVAL_VAL": "10",
    "WATCHER_DATA_DIR": "data",
    "WATCHER_LOG_FILE": "monitor.log",
    "WATCHER_LOG_FORMAT": "text",
    "WATCHER_LOCATION": "default",
    "WATCHER_KEEP_FAILURES": "400d",
    "WATCHER_OUTBOX_MAX_BYTES": "1073741824",
    "WATCHER_OUTBOX_MAX_AGE": "7d",
    "WATCHER_RELOAD": "on",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `.env` and the environment say.

    Attributes:
        config_file, config_file_place: the path of `config.yaml`, and where that path was written.
        postgres_host: None for the embedded database.
        max_workers: checks in flight at once.
        min_interval_seconds, max_interval_seconds: bounds of every interval.
        data_dir: the folder of the embedded database and all else that is kept.
        log_file: the success log.
        log_format: `text` or `json`, for the success log and stderr.
        location: where this replica stands.
        keep_failures_seconds: how long a failure stays in the database.
        outbox_max_bytes, outbox_max_age_seconds: what the outbox may hold while the database is away.
        reload_on_change: whether a change of the files is enough for the daemon to take it over.
    """

    config_file: Path
    config_file_place: Place
    postgres_user: str
    postgres_password: str = field(repr=False)
    postgres_db: str
    postgres_host: str | None
    postgres_port: int
    postgres_sslmode: str
    max_workers: int
    min_interval_seconds: float
    max_interval_seconds: float
    data_dir: Path
    log_file: Path
    log_format: str
    location: str
    keep_failures_seconds: float
    outbox_max_bytes: int
    outbox_max_age_seconds: float
    reload_on_change: bool


def read_settings(env_file: Path, variables: Mapping[str, str] | None = None) -> tuple[Settings | None, list[Mistake]]:
    """Read `.env` and the environment.

    Args:
        env_file: path of `.env`; it need not be there.
        variables: the environment, the process's own by default; it wins over the file.

    Returns:
        the settings, with defaults in the place of what is wrong, and the mistakes. The settings are None where no
        config file is named.
    """
    environment = Environment(env_file, os.environ if variables is None else variables, DEFAULTS)
    reader = _Reader(environment)
    minimum = reader.value("MIN_INTERVAL_VAL", values.seconds)
    maximum = reader.value("MAX_INTERVAL_VAL", values.seconds)
    if minimum > maximum:
        reader.complain(
            "MIN_INTERVAL_VAL", f"{minimum:g} is above MAX_INTERVAL_VAL={maximum:g}; lower it, or raise that one"
        )
    config_file = environment.get("CONFIG_FILE_PATH")
    if config_file is None:
        if not any(mistake.where == "CONFIG_FILE_PATH" for mistake in reader.mistakes):
            text = "is mandatory; set it to the path of the config file, as in CONFIG_FILE_PATH=config/config.yaml"
            missing = "" if environment.found else " (there is no such file; `--env-file` names another)"
            reader.complain("CONFIG_FILE_PATH", text + missing)
        return None, by_place(reader.mistakes)
    settings = Settings(
        config_file=Path(config_file.value),
        config_file_place=config_file.place,
        postgres_user=reader.value("POSTGRES_USER", str),
        postgres_password=reader.value("POSTGRES_PASSWORD", str),
        postgres_db=reader.value("POSTGRES_DB", str),
        postgres_host=reader.value("POSTGRES_HOST", values.host),
        postgres_port=reader.value("POSTGRES_PORT", values.port),
        postgres_sslmode=reader.value("POSTGRES_SSLMODE", values.ssl_mode),
        max_workers=reader.value("MAX_WORKERS", values.count),
        min_interval_seconds=minimum,
        max_interval_seconds=maximum,
        data_dir=reader.value("WATCHER_DATA_DIR", values.path),
        log_file=reader.value("WATCHER_LOG_FILE", values.path),
        log_format=reader.value("WATCHER_LOG_FORMAT", values.log_format),
        location=reader.value("WATCHER_LOCATION", values.location),
        keep_failures_seconds=reader.value("WATCHER_KEEP_FAILURES", values.keep_seconds),
        outbox_max_bytes=reader.value("WATCHER_OUTBOX_MAX_BYTES", values.outbox_bytes),
        outbox_max_age_seconds=reader.value("WATCHER_OUTBOX_MAX_AGE", values.outbox_seconds),
        reload_on_change=reader.value("WATCHER_RELOAD", values.on_or_off),
    )
    return settings, by_place(reader.mistakes)


def load_settings(env_file: Path, variables: Mapping[str, str] | None = None) -> Settings:
    """Read `.env` and the environment, as `read_settings`.

    Raises:
        ConfigurationError: with every mistake in them.
    """
    settings, mistakes = read_settings(env_file, variables)
    if mistakes or settings is None:
        raise ConfigurationError(mistakes)
    return settings


class _Reader:
    """Parses one key after the other and collects what does not parse."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.mistakes = environment.mistakes

    def value(self, key: str, parse: Callable[[str], Value]) -> Value:
        entry = self._environment.get(key)
        default = DEFAULTS[key] or ""
        if entry is None:
            return parse(default)
        try:
            return parse(entry.value)
        except ValueError as error:
            self.complain(key, f"{shown(entry.value)} {error}")
            return parse(default)

    def complain(self, key: str, text: str) -> None:
        entry = self._environment.get(key)
        self.mistakes.append(Mistake(entry.place if entry else self._environment.place, key, text))
