"""`.env` to `Settings`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from watcher.config.durations import seconds_in
from watcher.config.environment import Environment
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, shown
from watcher.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = TypeVar("Value")

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

SHORTEST_INTERVAL_SECONDS = 0.01
MAX_LOCATION_CHARS = 100

MIN_KEEP_DAYS, MAX_KEEP_DAYS = 1, 36_500
MIN_OUTBOX_BYTES, MAX_OUTBOX_BYTES = 16 * 2**20, 2**44
# No longer than the rollups of minutes are kept: what stands in the outbox must still find its minute.
MIN_OUTBOX_HOURS, MAX_OUTBOX_DAYS = 1, 7

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
    "WATCHER_LOCATION": "default",
    "WATCHER_KEEP_FAILURES": "400d",
    "WATCHER_OUTBOX_MAX_BYTES": "1073741824",
    "WATCHER_OUTBOX_MAX_AGE": "7d",
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
        location: where this replica stands.
        keep_failures_seconds: how long a failure stays in the database.
        outbox_max_bytes, outbox_max_age_seconds: what the outbox may hold while the database is away.
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
    location: str
    keep_failures_seconds: float
    outbox_max_bytes: int
    outbox_max_age_seconds: float


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
    minimum = reader.value("MIN_INTERVAL_VAL", _seconds)
    maximum = reader.value("MAX_INTERVAL_VAL", _seconds)
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
        postgres_host=reader.value("POSTGRES_HOST", _host),
        postgres_port=reader.value("POSTGRES_PORT", _port),
        postgres_sslmode=reader.value("POSTGRES_SSLMODE", _ssl_mode),
        max_workers=reader.value("MAX_WORKERS", _count),
        min_interval_seconds=minimum,
        max_interval_seconds=maximum,
        data_dir=reader.value("WATCHER_DATA_DIR", _path),
        log_file=reader.value("WATCHER_LOG_FILE", _path),
        location=reader.value("WATCHER_LOCATION", _location),
        keep_failures_seconds=reader.value("WATCHER_KEEP_FAILURES", _keep_seconds),
        outbox_max_bytes=reader.value("WATCHER_OUTBOX_MAX_BYTES", _outbox_bytes),
        outbox_max_age_seconds=reader.value("WATCHER_OUTBOX_MAX_AGE", _outbox_seconds),
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("is not a number; write seconds, as in 10") from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError("is no finite number above zero; write seconds, as in 10")
    if seconds < SHORTEST_INTERVAL_SECONDS:
        raise ValueError(f"is below {SHORTEST_INTERVAL_SECONDS:g}, the shortest interval there is; write more seconds")
    return seconds


def _host(text: str) -> str | None:
    if "," in text or (":" in text and not text.startswith("/") and text.count(":") == 1):
        raise ValueError("is not one host; write its name or address alone, and its port in POSTGRES_PORT")
    return text or None


def _location(text: str) -> str:
    if one_line(text, limit_chars=MAX_LOCATION_CHARS) != text:
        raise ValueError(f"is no name of a place; write one line of at most {MAX_LOCATION_CHARS} printable characters")
    return text


def _path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("has an unprintable character; write a path without one")
    return Path(text)


def _count(text: str) -> int:
    count = _whole_number(text)
    if not 1 <= count <= 1_000_000:
        raise ValueError("is not a whole number from 1 to 1000000; write how many checks may be in flight, as in 10")
    return count


def _port(text: str) -> int:
    port = _whole_number(text)
    if not 1 <= port <= 65535:
        raise ValueError("is no port; write a whole number from 1 to 65535, as in 5432")
    return port


def _keep_seconds(text: str) -> float:
    seconds = seconds_in(text)
    if not MIN_KEEP_DAYS * 86_400 <= seconds <= MAX_KEEP_DAYS * 86_400:
        raise ValueError(f"is not from {MIN_KEEP_DAYS}d to {MAX_KEEP_DAYS}d; write how long to keep, as in 400d")
    return seconds


def _outbox_bytes(text: str) -> int:
    count = _whole_number(text)
    if not MIN_OUTBOX_BYTES <= count <= MAX_OUTBOX_BYTES:
        raise ValueError(
            f"is not a whole number from {MIN_OUTBOX_BYTES} (16 MiB) to {MAX_OUTBOX_BYTES} (16 TiB);"
            " write how many bytes the outbox may take, as in 1073741824"
        )
    return count


def _outbox_seconds(text: str) -> float:
    seconds = seconds_in(text)
    if seconds < MIN_OUTBOX_HOURS * 3600:
        raise ValueError(f"is below {MIN_OUTBOX_HOURS}h; write how long the outbox keeps what waits, as in 7d")
    if seconds > MAX_OUTBOX_DAYS * 86_400:
        raise ValueError(f"is above {MAX_OUTBOX_DAYS}d, for which the rollups of minutes are kept; write less")
    return seconds


def _whole_number(text: str) -> int:
    """Return the number, or -1 for what is none or has too many digits for any key."""
    return int(text) if len(text) <= 14 and text.isascii() and text.isdigit() else -1


def _ssl_mode(text: str) -> str:
    if text not in SSL_MODES:
        raise ValueError(f"is not one of {', '.join(SSL_MODES)}; write one of these")
    return text
