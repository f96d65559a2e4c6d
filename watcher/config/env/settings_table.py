"""The table of all keys of `.env`: parsers, defaults, documentation, and whether a reload applies a change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.config.env import http_values
from watcher.config.env import settings_values as values
from watcher.config.schema.limits import SHORTEST_INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of `.env`.

    Attributes:
        key: as users write it.
        field: its name in `Settings`.
        default: as users would write it; None if unset.
        meaning: for users, in Markdown.
        parse: turns text into the value in `Settings`; a ValueError's message follows the value in an error line.
        reloads: whether a running daemon applies a change; otherwise it must be restarted. Keys that can delete stored
            data apply at a start only, since a file may be saved half-edited.
        mandatory: whether a value is required.
        secret: whether the value is never shown.
    """

    key: str
    field: str
    default: str | None
    meaning: str
    parse: Callable[[str], Any]
    reloads: bool = True
    mandatory: bool = False
    secret: bool = False


SETTINGS = (
    Setting(
        "CONFIG_FILE_PATH",
        "config_file",
        None,
        "path of the config file, or of a folder of config files",
        Path,
        mandatory=True,
    ),
    Setting(
        "POSTGRES_HOST",
        "postgres_host",
        None,
        "unset: the daemon runs its own PostgreSQL. Set: it connects there (a name, an address, or the folder of a"
        " unix socket; several, separated by commas, if any of them may be the primary, as with Patroni)",
        values.hosts,
        reloads=False,
    ),
    Setting(
        "POSTGRES_PORT",
        "postgres_ports",
        "5432",
        "its port, from 1 to 65535; one for all hosts, or one for each, separated by commas",
        values.ports,
        reloads=False,
    ),
    Setting(
        "POSTGRES_TARGET_SESSION_ATTRS",
        "postgres_target_session_attrs",
        None,
        f"the required kind of server, as in libpq: {' '.join(f'`{word}`' for word in values.SESSION_ATTRS)}; by"
        " default `read-write` with several hosts, and `any` with one",
        values.session_attrs,
        reloads=False,
    ),
    Setting(
        "POSTGRES_USER",
        "postgres_user",
        "postgres",
        "as for the official `postgres` image; the embedded database needs none of these three",
        str,
        reloads=False,
    ),
    Setting("POSTGRES_PASSWORD", "postgres_password", "postgres", "", str, reloads=False, secret=True),
    Setting("POSTGRES_DB", "postgres_db", "monitordb", "", str, reloads=False),
    Setting(
        "POSTGRES_SSLMODE",
        "postgres_sslmode",
        "prefer",
        f"as in libpq: {' '.join(f'`{mode}`' for mode in values.SSL_MODES)}",
        values.ssl_mode,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLROOTCERT",
        "postgres_sslrootcert",
        None,
        "file of the authorities that may sign its certificate, for `verify-ca` and `verify-full`; by default"
        " `PGSSLROOTCERT` of the environment, or `~/.postgresql/root.crt`",
        values.file,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLCERT",
        "postgres_sslcert",
        None,
        "file of the client certificate; by default `PGSSLCERT`, or `~/.postgresql/postgresql.crt`",
        values.file,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLKEY",
        "postgres_sslkey",
        None,
        "file of its private key; by default `PGSSLKEY`, or `~/.postgresql/postgresql.key`",
        values.file,
        reloads=False,
    ),
    Setting("MAX_WORKERS", "max_workers", "10", "checks in flight at once", values.count),
    Setting(
        "MIN_INTERVAL_VAL",
        "min_interval_seconds",
        "2",
        f"smallest allowed `interval`, in seconds (minimum {SHORTEST_INTERVAL_SECONDS:g})",
        values.seconds,
    ),
    Setting(
        "MAX_INTERVAL_VAL",
        "max_interval_seconds",
        "10",
        "largest allowed `interval`, in seconds; the shipped file raises it to 3600",
        values.seconds,
    ),
    Setting(
        "WATCHER_DATA_DIR",
        "data_dir",
        "data",
        "folder of the embedded database, the outbox, locks and the heartbeat; one daemon per folder",
        values.path,
        reloads=False,
    ),
    Setting(
        "WATCHER_LOG_FILE",
        "log_file",
        "monitor.log",
        "the log of successes; when it is moved away, as by logrotate, a new one is started. `/dev/stdout` is allowed,"
        " as for `docker logs`",
        values.path,
    ),
    Setting(
        "WATCHER_LOG_FORMAT",
        "log_format",
        "text",
        "format of that log and of stderr: `text` for people, `json` for machines, one object per line",
        values.log_format,
    ),
    Setting(
        "WATCHER_LOCATION",
        "location",
        "default",
        "name of this daemon's location; stored with each failure",
        values.location,
        reloads=False,
    ),
    Setting(
        "WATCHER_REPLICA",
        "replica",
        None,
        "name of this daemon among others that share its location and an external database; by default the name of the"
        " machine and four digits, kept in the file `replica` of WATCHER_DATA_DIR",
        values.replica,
        reloads=False,
    ),
    Setting(
        "WATCHER_KEEP_FAILURES",
        "keep_failures_seconds",
        "400d",
        f"how long failures are kept in PostgreSQL, from `{values.MIN_KEEP_DAYS}d` to `{values.MAX_KEEP_DAYS}d`",
        values.keep_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_MAX_BYTES",
        "outbox_max_bytes",
        "1073741824",
        "size limit of the outbox on disk while PostgreSQL is away, in bytes;"
        f" {values.MIN_OUTBOX_BYTES} (16 MiB) at least",
        values.outbox_bytes,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_MAX_AGE",
        "outbox_max_age_seconds",
        "7d",
        f"how long an entry may wait in the outbox, from `{values.MIN_OUTBOX_HOURS}h` to `{values.MAX_OUTBOX_DAYS}d`;"
        " rollups of minutes are kept no longer",
        values.outbox_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_KEEP_STORED",
        "outbox_keep_stored_seconds",
        "1m",
        "how long the outbox keeps entries that PostgreSQL has stored, up to `1h`, to send them again if they are lost,"
        " as when a standby takes over",
        values.keep_stored_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_RELOAD",
        "reload_on_change",
        "on",
        "`on`: the daemon reloads when a file changes; `off`: only on SIGHUP",
        values.on_or_off,
    ),
    Setting(
        "WATCHER_HTTP",
        "http",
        "127.0.0.1:8080",
        "address of the page, API and metrics: `HOST:PORT`, `unix:/path`, or `off`",
        http_values.http_address,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_URL",
        "http_url",
        None,
        "public address of the page, as behind a proxy; it may have a path",
        http_values.http_url,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_USER",
        "http_user",
        None,
        "user of basic auth, for people; with user and password set, the page and the API need auth",
        http_values.user_name,
        reloads=False,
    ),
    Setting("WATCHER_HTTP_PASSWORD", "http_password", None, "", http_values.password, reloads=False, secret=True),
    Setting(
        "WATCHER_HTTP_TOKEN",
        "http_token",
        None,
        f"bearer token, for machines; {http_values.MIN_TOKEN_CHARS} characters at least",
        http_values.token,
        reloads=False,
        secret=True,
    ),
    Setting(
        "WATCHER_HTTP_PUBLIC",
        "http_public",
        "off",
        "`on`: reading needs no auth; readers without auth see no addresses and details",
        values.on_or_off,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_HOSTS",
        "http_hosts",
        None,
        "further names, separated by commas, that the header `Host` may have; `localhost`, IP addresses and the host of"
        " `WATCHER_HTTP_URL` are always allowed",
        http_values.host_names,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_TRUSTED_PROXIES",
        "http_trusted_proxies",
        None,
        "addresses or networks, separated by commas, of proxies whose `X-Forwarded-For`, `-Host` and `-Proto` are"
        " trusted",
        http_values.networks,
        reloads=False,
    ),
    Setting(
        "WATCHER_METRICS_TARGETS",
        "metrics_targets",
        "on",
        "`off` leaves the series of each target out of `/metrics`",
        values.on_or_off,
        reloads=False,
    ),
)

# The default of each key; None means unset.
DEFAULTS: dict[str, str | None] = {setting.key: setting.default for setting in SETTINGS}
# The key of each field of `Settings`.
KEY_OF_FIELD: dict[str, str] = {setting.field: setting.key for setting in SETTINGS}
# A change of these needs a restart.
RESTART_KEYS: frozenset[str] = frozenset(setting.key for setting in SETTINGS if not setting.reloads)
